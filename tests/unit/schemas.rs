//! The schemas in `schemas/` match the code, and published messages are valid against them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use jsonschema::Validator;
use order_worker::domain::{
    Command, CommandKind, Order, OrderId, PlaceOrder, Rejected, Rejection, Status, StatusChanged,
};
use order_worker::entrypoints::schemas;
use order_worker::messages::wire::CommandOutcomeBody;
use order_worker::messages::{
    DeadLetterCode, DeadLetterReason, Message, OrderState, OutboxMessage, Outcome,
};
use order_worker::service_layer::decode::decode;
use serde_json::Value;

use super::decode::{THE_STORES_ORDER, envelope};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

#[test]
fn the_files_are_what_the_code_says() {
    for schema in schemas::all() {
        let file = std::fs::read_to_string(folder().join(&schema.file_name)).unwrap_or_default();
        assert!(
            file == schema.text(),
            "schemas/{} is not what the code says: run `make schemas` and commit the result",
            schema.file_name
        );
    }
}

#[test]
fn there_is_no_file_of_a_message_that_is_gone() {
    let files = std::fs::read_dir(folder()).unwrap();
    let files: BTreeSet<String> =
        files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();

    let known = schemas::all().into_iter().map(|schema| schema.file_name).collect();

    assert_eq!(files, known);
}

#[test]
fn every_schema_follows_the_draft_and_forbids_no_new_field() {
    for schema in schemas::all() {
        let value = schema.schema.as_value();
        assert!(jsonschema::meta::is_valid(value), "{}", schema.file_name);
        assert_eq!(value["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(value["$id"], schema.file_name.as_str());
        assert_eq!(value["title"], schema.file_name.trim_end_matches(".json"));
        assert!(!schema.text().contains("additionalProperties"));
    }
}

fn validator(name: &str) -> Validator {
    let file_name = format!("{name}.json");
    let schema = schemas::all().into_iter().find(|schema| schema.file_name == file_name).unwrap();
    jsonschema::validator_for(schema.schema.as_value()).unwrap()
}

/// Asserts that the body is valid, and that the schema requires each of its fields.
fn assert_valid(name: &str, body: &str) {
    let validator = validator(name);
    let body: Value = serde_json::from_str(body).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:?}");
    for field in body.as_object().unwrap().keys() {
        let mut without = body.clone();
        without.as_object_mut().unwrap().remove(field);
        assert!(!validator.is_valid(&without), "{name} without {field}");
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 123_456_789).unwrap()
}

/// An order of the shop, as a message with or without an id.
fn the_stores_message(message_id: Option<&str>) -> (Message, PlaceOrder) {
    let mut envelope = envelope("order.place", THE_STORES_ORDER);
    envelope.properties.message_id = message_id.map(str::to_owned);
    let message = decode(&envelope).result.unwrap();
    let Command::PlaceOrder(placed) = message.command.clone() else { panic!("{message:?}") };
    (message, placed)
}

#[test]
fn events_of_changes_are_valid() {
    for message_id in [None, Some("intent-1")] {
        let (cause, placed) = the_stores_message(message_id);
        let (placed, placing) = Order::place(OrderId::new("1").unwrap(), placed, now());
        let mut advanced = placed.clone();
        let advancing = advanced.advance(None, now()).unwrap();
        for (order, change) in [(&placed, placing), (&advanced, advancing)] {
            let event = StatusChanged { order, change };
            assert_valid("OrderStatusChanged", &OutboxMessage::status_changed(event, &cause).body);
        }
    }
}

#[test]
fn events_of_refused_commands_are_valid() {
    let refusals = [
        Rejection::AlreadyCancelled,
        Rejection::AlreadyCompleted,
        Rejection::CannotBeCancelled { status: Status::Shipping },
        Rejection::MovedOn { expected: Status::Received, status: Status::PaymentComplete },
    ];
    for (refusal, message_id) in refusals.into_iter().zip([None, Some("a"), None, Some("b")]) {
        let (cause, _) = the_stores_message(message_id);
        let event = Rejected {
            command: CommandKind::CancelOrder,
            order_id: OrderId::new("1").unwrap(),
            rejection: refusal,
            status: Status::PaymentComplete,
            version: 3,
            at: now(),
        };
        assert_valid("OrderCommandRejected", &OutboxMessage::rejected(&event, &cause).body);
    }
}

#[test]
fn answers_are_valid() {
    let state = || OrderState { order_id: OrderId::new("1").unwrap(), status: Status::Cancelled };
    for outcome in [
        Outcome::Accepted(state()),
        Outcome::Duplicate(Some(state())),
        Outcome::Duplicate(None),
        Outcome::Rejected(state(), Rejection::AlreadyCancelled),
        Outcome::DeadLetter(DeadLetterReason::new(
            DeadLetterCode::MissingField,
            "items is missing",
        )),
    ] {
        let body = CommandOutcomeBody::new(&outcome).unwrap();
        assert_valid("CommandOutcome", &serde_json::to_string(&body).unwrap());
    }
}
