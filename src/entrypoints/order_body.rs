//! The JSON of an order, for the API and the command line.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{Money, Order, Status};
use crate::messages::wire::{
    CustomerBody, ItemBody, amount, command_name, microseconds, moment, status_name,
    status_name_or_null, text_or_null, two_decimals,
};
use crate::service_layer::{HistoryEntry, OrderHistory};

/// An order. Ids are text, amounts have two decimals, times are in UTC.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Order")]
pub struct OrderBody<'a> {
    #[schemars(length(min = 1, max = 64))]
    pub order_id: &'a str,
    #[schemars(schema_with = "status_name")]
    pub status: &'static str,
    /// 1 for a new order, plus 1 for each change.
    #[schemars(range(min = 1))]
    pub version: i32,
    /// The customer as of the time when the order was placed.
    pub order_customer: CustomerBody<'a>,
    #[schemars(length(min = 1, max = 500))]
    pub items: Vec<ItemBody<'a>>,
    /// What the customer pays. May differ from the sum of the items.
    #[serde(serialize_with = "two_decimals")]
    #[schemars(schema_with = "amount")]
    pub total: Money,
    #[serde(serialize_with = "microseconds")]
    #[schemars(schema_with = "moment")]
    pub created_at: DateTime<Utc>,
    #[serde(serialize_with = "microseconds")]
    #[schemars(schema_with = "moment")]
    pub last_updated: DateTime<Utc>,
    /// The changes of the order's status, by version. Not in lists. Old changes may have been
    /// deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<ChangeBody<'a>>", default)]
    pub history: Option<Vec<ChangeBody<'a>>>,
}

/// One change of an order's status.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Change")]
pub struct ChangeBody<'a> {
    #[schemars(range(min = 1))]
    pub version: i32,
    /// Null when the order was placed.
    #[schemars(schema_with = "status_name_or_null", required)]
    pub previous_status: Option<&'static str>,
    #[schemars(schema_with = "status_name")]
    pub status: &'static str,
    #[serde(serialize_with = "microseconds")]
    #[schemars(schema_with = "moment")]
    pub changed_at: DateTime<Utc>,
    #[schemars(schema_with = "command_name")]
    pub command: &'a str,
    /// The message id of the command, if it had one.
    #[schemars(schema_with = "text_or_null", required)]
    pub caused_by: Option<&'a str>,
    /// The reason given in the command, if any.
    #[schemars(schema_with = "text_or_null", required)]
    pub reason: Option<&'a str>,
}

impl<'a> From<&'a Order> for OrderBody<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            order_id: order.order_id().as_str(),
            status: order.status().name(),
            version: order.version(),
            order_customer: order.customer().into(),
            items: order.items().iter().map(ItemBody::from).collect(),
            total: order.total(),
            created_at: order.created_at(),
            last_updated: order.last_updated(),
            history: None,
        }
    }
}

impl<'a> From<&'a OrderHistory> for OrderBody<'a> {
    fn from(OrderHistory { order, history }: &'a OrderHistory) -> Self {
        Self { history: Some(history.iter().map(ChangeBody::from).collect()), ..order.into() }
    }
}

impl<'a> From<&'a HistoryEntry> for ChangeBody<'a> {
    fn from(entry: &'a HistoryEntry) -> Self {
        Self {
            version: entry.version,
            previous_status: entry.previous.map(Status::name),
            status: entry.status.name(),
            changed_at: entry.at,
            command: &entry.cause.command,
            caused_by: entry.cause.message_id.as_deref(),
            reason: entry.cause.reason.as_deref(),
        }
    }
}
