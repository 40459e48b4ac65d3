//! The outcome of a message.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::on;
use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::domain::{CommandKind, MessageId, Status};
use crate::entrypoints::http::api::endpoint::{
    Endpoint, Group, ResponseBody, Success, TrailingSlash,
};
use crate::entrypoints::http::api::extract::PathParameters;
use crate::entrypoints::http::api::parameters::MESSAGE_ID;
use crate::entrypoints::http::api::{problems, response};
use crate::entrypoints::http::auth::Permission;
use crate::entrypoints::http::{App, Problem};
use crate::messages::wire::{microseconds, moment, status_name_or_null, text_or_null};
use crate::service_layer::dead_letters::DeadLetterRecord;
use crate::service_layer::{InboxEntry, InvalidQuery};

pub const SHOW: Endpoint = Endpoint {
    methods: &[Method::GET],
    path: "/api/messages/{message_id}",
    trailing_slash: TrailingSlash::AsWritten,
    permission: Permission::ReadAsStore,
    handler: |filter| on(filter, show),
    name: "message",
    group: Group::Orders,
    summary: "The outcome of a message",
    about: "For a message from the queue by its message id, for one over HTTP by its \
            Idempotency-Key. A message that waits in a queue or for a retry is not found yet.",
    parameters: &[MESSAGE_ID],
    body: None,
    success: Success {
        status: 200,
        about: "The message was handled, or is a dead letter.",
        body: Some(ResponseBody {
            schema: SchemaGenerator::subschema_for::<MessageBody<'_>>,
            example: EXAMPLE,
        }),
    },
    problems: problems::MESSAGE,
};

const EXAMPLE: &str = r#"{
  "message_id": "cart-4711",
  "command": "PlaceOrder",
  "outcome": "accepted",
  "code": null,
  "detail": null,
  "order_id": "1000001",
  "status": "Shipping",
  "at": "2026-11-20T09:30:37.123456Z"
}"#;

/// The outcome of a message.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Message")]
struct MessageBody<'a> {
    message_id: &'a str,
    /// Null if the message does not say which.
    #[schemars(schema_with = "text_or_null", required)]
    command: Option<&'a str>,
    #[schemars(schema_with = "outcome_name")]
    outcome: &'static str,
    /// The rule that rejected the command, or the reason of the dead letter.
    #[schemars(schema_with = "text_or_null", required)]
    code: Option<&'a str>,
    /// The reason of the dead letter, for people.
    #[schemars(schema_with = "text_or_null", required)]
    detail: Option<&'a str>,
    #[schemars(schema_with = "text_or_null", required)]
    order_id: Option<&'a str>,
    /// The order's current status; null for a dead letter.
    #[schemars(schema_with = "status_name_or_null", required)]
    status: Option<&'static str>,
    /// When it was handled, or failed for the last time.
    #[serde(serialize_with = "microseconds")]
    #[schemars(schema_with = "moment")]
    at: DateTime<Utc>,
}

async fn show(
    State(app): State<App>,
    PathParameters(message_id): PathParameters<String>,
) -> Result<Response, Problem> {
    let message_id = MessageId::new(message_id)
        .map_err(|error| InvalidQuery::new(MESSAGE_ID.name, error.to_string()))?;
    let database = app.database()?;
    if let Some(handled) = database.orders().message(&message_id).await? {
        return response::json(StatusCode::OK, &MessageBody::from(&handled), 400);
    }
    let dead_letter = database.dead_letters().dead_letter_of_message(&message_id).await?;
    let dead_letter = dead_letter
        .ok_or_else(|| Problem::not_found("the message is unknown or not handled yet"))?;
    response::json(StatusCode::OK, &MessageBody::of(&message_id, &dead_letter), 400)
}

impl<'a> From<&'a InboxEntry> for MessageBody<'a> {
    fn from(handled: &'a InboxEntry) -> Self {
        Self {
            message_id: handled.message_id.as_str(),
            command: Some(CommandKind::name(handled.command)),
            outcome: handled.outcome.as_str(),
            code: handled.outcome.code(),
            detail: None,
            order_id: Some(handled.order.order_id.as_str()),
            status: Some(Status::name(handled.order.status)),
            at: handled.handled_at,
        }
    }
}

impl<'a> MessageBody<'a> {
    fn of(
        message_id: &'a MessageId,
        DeadLetterRecord { dead_letter, .. }: &'a DeadLetterRecord,
    ) -> Self {
        Self {
            message_id: message_id.as_str(),
            command: dead_letter.subject.command.as_deref(),
            outcome: "dead_lettered",
            code: Some(&dead_letter.reason.code),
            detail: Some(&dead_letter.reason.detail),
            order_id: dead_letter.subject.order_id.as_deref(),
            status: None,
            at: dead_letter.failed_at,
        }
    }
}

fn outcome_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["accepted", "duplicate", "rejected", "dead_lettered"] })
}
