//! The JSON of events and replies. Every field is always present, ids are strings, amounts have two
//! decimals, times have microseconds and end in `Z`.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{Message, Outcome};
use crate::domain::{
    CommandKind, Customer, Item, Money, Rejected, Rejection, Status, StatusChanged,
};

/// An order changed its status. Published to the events exchange with the routing key
/// `order.status.<status>`, at least once, each time with the same `event_id`. The events of an order
/// are published in the order of their `version`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrderStatusChanged")]
pub struct OrderStatusChangedBody<'a> {
    /// Identifies the event. The same if it is published repeatedly.
    pub event_id: Uuid,
    #[serde(rename = "type")]
    #[schemars(schema_with = "order_status_changed")]
    pub kind: &'static str,
    #[schemars(length(min = 1, max = 64))]
    pub order_id: &'a str,
    /// Null when the order is placed.
    #[schemars(schema_with = "status_name_or_null", required)]
    pub previous_status: Option<&'static str>,
    #[schemars(schema_with = "status_name")]
    pub status: &'static str,
    /// 1 for the first change of an order, plus 1 for each further one.
    #[schemars(range(min = 1))]
    pub version: i32,
    #[serde(serialize_with = "microseconds")]
    #[schemars(schema_with = "moment")]
    pub changed_at: DateTime<Utc>,
    pub order_customer: CustomerBody<'a>,
    #[schemars(length(min = 1, max = 500))]
    pub items: Vec<ItemBody<'a>>,
    #[serde(serialize_with = "two_decimals")]
    #[schemars(schema_with = "amount")]
    pub total: Money,
    /// The message id of the command, if it had one.
    #[schemars(schema_with = "text_or_null", required)]
    pub caused_by: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Customer")]
pub struct CustomerBody<'a> {
    #[schemars(length(min = 1, max = 64))]
    pub customer_id: &'a str,
    #[schemars(length(max = 200))]
    pub name: &'a str,
    #[schemars(length(max = 320))]
    pub email: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Item")]
pub struct ItemBody<'a> {
    #[schemars(length(min = 1, max = 64))]
    pub product_id: &'a str,
    #[schemars(length(max = 200))]
    pub name: &'a str,
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub quantity: u32,
    #[serde(serialize_with = "two_decimals")]
    #[schemars(schema_with = "amount")]
    pub price_per_unit: Money,
}

/// A business rule rejected a command; nothing changed. Published to the events exchange with the
/// routing key `order.rejected.<command>`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrderCommandRejected")]
pub struct OrderCommandRejectedBody<'a> {
    /// Identifies the event. The same if it is published repeatedly.
    pub event_id: Uuid,
    #[serde(rename = "type")]
    #[schemars(schema_with = "order_command_rejected")]
    pub kind: &'static str,
    #[schemars(schema_with = "command_name")]
    pub command: &'static str,
    #[schemars(length(min = 1, max = 64))]
    pub order_id: &'a str,
    #[schemars(schema_with = "rejection_code")]
    pub code: &'static str,
    /// A readable explanation.
    pub detail: String,
    /// The order's status, which is unchanged.
    #[schemars(schema_with = "status_name")]
    pub status: &'static str,
    #[serde(serialize_with = "microseconds")]
    #[schemars(schema_with = "moment")]
    pub rejected_at: DateTime<Utc>,
    /// The message id of the command, if it had one.
    #[schemars(schema_with = "text_or_null", required)]
    pub caused_by: Option<&'a str>,
}

/// The outcome of a command, sent to the queue in its `reply_to`, with its `correlation_id`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CommandOutcome")]
pub struct CommandOutcomeBody<'a> {
    #[schemars(schema_with = "outcome_word")]
    pub outcome: &'static str,
    /// The order id; if the command had none, the number that the worker assigned.
    #[schemars(schema_with = "text_or_null", required)]
    pub order_id: Option<&'a str>,
    /// The order's status afterwards.
    #[schemars(schema_with = "status_name_or_null", required)]
    pub status: Option<&'static str>,
    /// The code of the business rule, or of the dead letter.
    #[schemars(schema_with = "text_or_null", required)]
    pub code: Option<&'static str>,
    #[schemars(schema_with = "text_or_null", required)]
    pub detail: Option<String>,
}

impl<'a> OrderStatusChangedBody<'a> {
    pub const TYPE: &'static str = "OrderStatusChanged";

    pub fn new(event_id: Uuid, event: StatusChanged<'a>, cause: &'a Message) -> Self {
        let StatusChanged { order, change } = event;
        Self {
            event_id,
            kind: Self::TYPE,
            order_id: order.order_id().as_str(),
            previous_status: change.previous.map(Status::name),
            status: change.status.name(),
            version: change.version,
            changed_at: change.at,
            order_customer: order.customer().into(),
            items: order.items().iter().map(ItemBody::from).collect(),
            total: order.total(),
            caused_by: cause.message_id().map(crate::domain::MessageId::as_str),
        }
    }
}

impl<'a> OrderCommandRejectedBody<'a> {
    pub const TYPE: &'static str = "OrderCommandRejected";

    pub fn new(event_id: Uuid, event: &'a Rejected, cause: &'a Message) -> Self {
        Self {
            event_id,
            kind: Self::TYPE,
            command: event.command.name(),
            order_id: event.order_id.as_str(),
            code: event.rejection.code(),
            detail: event.rejection.to_string(),
            status: event.status.name(),
            rejected_at: event.at,
            caused_by: cause.message_id().map(crate::domain::MessageId::as_str),
        }
    }
}

impl<'a> CommandOutcomeBody<'a> {
    pub const TYPE: &'static str = "CommandOutcome";

    /// `None` if the outcome is not final.
    pub fn new(outcome: &'a Outcome) -> Option<Self> {
        let (order, code, detail) = match outcome {
            Outcome::Accepted(order) => (Some(order), None, None),
            Outcome::Duplicate(order) => (order.as_ref(), None, None),
            Outcome::Rejected(order, rejection) => {
                (Some(order), Some(rejection.code()), Some(rejection.to_string()))
            }
            Outcome::DeadLetter(dead) => {
                (None, Some(dead.code.as_str()), Some(dead.detail.clone()))
            }
            Outcome::RetryLater(_) => return None,
        };
        Some(Self {
            outcome: outcome.as_str(),
            order_id: order.map(|order| order.order_id.as_str()),
            status: order.map(|order| order.status.name()),
            code,
            detail,
        })
    }
}

impl<'a> From<&'a Customer> for CustomerBody<'a> {
    fn from(customer: &'a Customer) -> Self {
        Self {
            customer_id: customer.customer_id.as_str(),
            name: customer.name.as_str(),
            email: customer.email.as_str(),
        }
    }
}

impl<'a> From<&'a Item> for ItemBody<'a> {
    fn from(item: &'a Item) -> Self {
        Self {
            product_id: item.product_id.as_str(),
            name: item.name.as_str(),
            quantity: item.quantity.get(),
            price_per_unit: item.price_per_unit,
        }
    }
}

/// Formats a time as in messages and tables: `2026-11-20T09:30:37.123456Z`.
pub fn format_moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub(crate) fn microseconds<S: Serializer>(
    at: &DateTime<Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_moment(*at))
}

pub(crate) fn two_decimals<S: Serializer>(
    amount: &Money,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

fn order_status_changed(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": OrderStatusChangedBody::TYPE })
}

fn order_command_rejected(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": OrderCommandRejectedBody::TYPE })
}

pub(crate) fn status_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Status::ALL.map(Status::name) })
}

pub(crate) fn status_name_or_null(_: &mut SchemaGenerator) -> Schema {
    let names = Status::ALL.map(Status::name).map(Some);
    let choices: Vec<Option<&str>> = names.into_iter().chain([None]).collect();
    json_schema!({ "type": ["string", "null"], "enum": choices })
}

pub(crate) fn text_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"] })
}

pub(crate) fn command_name(_: &mut SchemaGenerator) -> Schema {
    let names = CommandKind::ALL.map(CommandKind::name);
    json_schema!({ "type": "string", "enum": names })
}

fn rejection_code(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Rejection::CODES })
}

fn outcome_word(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["accepted", "duplicate", "rejected", "dead_lettered"] })
}

pub(crate) fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "format": "date-time",
        "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$",
    })
}

pub(crate) fn amount(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": r"^(0|[1-9]\d{0,9})\.\d{2}$" })
}
