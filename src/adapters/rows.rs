//! Row types that both databases fill, and their conversion into domain values. An invalid row is
//! an error, not a panic.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::domain::{
    CommandKind, Customer, CustomerId, Email, Item, Items, MessageId, Money, Name, Order, OrderId,
    PersistedOrder, ProductId, Quantity, Status,
};
use crate::messages::{BodyHash, OrderState};
use crate::service_layer::{Cause, HistoryEntry, InboxEntry, InboxOutcome, StoreError};

/// An order with its items.
#[derive(Debug, Deserialize)]
pub struct OrderRow {
    pub order_id: String,
    pub customer_id: String,
    pub customer_name: String,
    pub customer_email: String,
    pub total_cents: i64,
    pub status: i64,
    pub created_at: DateTime<Utc>,
    pub last_updated: DateTime<Utc>,
    pub version: i32,
    pub items: Vec<ItemRow>,
}

/// One item of an order.
#[derive(Debug, Deserialize)]
pub struct ItemRow {
    pub product_id: String,
    pub name: String,
    pub quantity: i64,
    pub price_cents: i64,
}

/// A handled message: a row of the inbox, with the status of its order.
#[derive(Debug, Deserialize)]
pub struct HandledRow {
    pub message_id: String,
    /// In hexadecimal digits.
    pub body_hash: String,
    pub command: String,
    pub order_id: String,
    /// The order's current status.
    pub status: i64,
    pub outcome: String,
    pub code: Option<String>,
    pub handled_at: DateTime<Utc>,
}

/// One change of an order.
#[derive(Debug, Deserialize)]
pub struct HistoryRecord {
    pub version: i32,
    pub previous_status: Option<i64>,
    pub status: i64,
    pub changed_at: DateTime<Utc>,
    pub command: String,
    pub caused_by: Option<String>,
    pub reason: Option<String>,
}

impl HistoryRecord {
    /// # Errors
    /// [`StoreError::Refused`] when a status is unknown.
    pub fn into_entry(self) -> Result<HistoryEntry, StoreError> {
        let invalid = invalid_row("order_history", self.version.to_string());
        let status = |code| Status::try_from(code).map_err(|error| invalid("status", &error));
        Ok(HistoryEntry {
            version: self.version,
            previous: self.previous_status.map(&status).transpose()?,
            status: status(self.status)?,
            at: self.changed_at,
            cause: Cause { command: self.command, message_id: self.caused_by, reason: self.reason },
        })
    }
}

impl OrderRow {
    /// # Errors
    /// [`StoreError::Refused`] with the order id and the column whose value is invalid.
    pub fn into_order(self) -> Result<Order, StoreError> {
        let invalid = invalid_row("orders", self.order_id.clone());
        let items = self.items.into_iter().map(ItemRow::into_item).collect::<Result<Vec<_>, _>>();
        Ok(Order::from_stored(PersistedOrder {
            order_id: OrderId::new(self.order_id).map_err(|e| invalid("order_id", &e))?,
            customer: Customer {
                customer_id: CustomerId::new(self.customer_id)
                    .map_err(|e| invalid("customer_id", &e))?,
                name: Name::new(self.customer_name).map_err(|e| invalid("customer_name", &e))?,
                email: Email::new(self.customer_email)
                    .map_err(|e| invalid("customer_email", &e))?,
            },
            items: items
                .and_then(|items| Items::try_from(items).map_err(|error| error.to_string()))
                .map_err(|error| invalid("items", &error))?,
            total: Money::from_cents(self.total_cents).map_err(|e| invalid("total", &e))?,
            status: Status::try_from(self.status).map_err(|e| invalid("status", &e))?,
            created_at: self.created_at,
            last_updated: self.last_updated,
            version: self.version,
        }))
    }
}

impl ItemRow {
    fn into_item(self) -> Result<Item, String> {
        Ok(Item {
            product_id: ProductId::new(self.product_id).map_err(|error| error.to_string())?,
            name: Name::new(self.name).map_err(|error| error.to_string())?,
            quantity: Quantity::try_from(self.quantity).map_err(|error| error.to_string())?,
            price_per_unit: Money::from_cents(self.price_cents)
                .map_err(|error| error.to_string())?,
        })
    }
}

impl HandledRow {
    /// # Errors
    /// [`StoreError::Refused`] with the message id and the column whose value is invalid.
    pub fn into_handled(self) -> Result<InboxEntry, StoreError> {
        let invalid = invalid_row("handled_messages", self.message_id.clone());
        let outcome = match (self.outcome.as_str(), self.code) {
            ("accepted", _) => InboxOutcome::Accepted,
            ("duplicate", _) => InboxOutcome::Duplicate,
            ("rejected", Some(code)) => InboxOutcome::Rejected(code.into()),
            _ => return Err(invalid("outcome", &"must be accepted, duplicate or rejected")),
        };
        Ok(InboxEntry {
            message_id: MessageId::new(self.message_id).map_err(|e| invalid("message_id", &e))?,
            body_hash: parse_hash(&self.body_hash)
                .ok_or_else(|| invalid("body_hash", &"must have 16 bytes"))?,
            command: CommandKind::from_name(&self.command)
                .ok_or_else(|| invalid("command", &"is unknown"))?,
            order: OrderState {
                order_id: OrderId::new(self.order_id).map_err(|e| invalid("order_id", &e))?,
                status: Status::try_from(self.status).map_err(|e| invalid("status", &e))?,
            },
            outcome,
            handled_at: self.handled_at,
        })
    }
}

fn parse_hash(digits: &str) -> Option<BodyHash> {
    let mut hash = BodyHash::default();
    if digits.len() != 2 * hash.len() || !digits.is_ascii() {
        return None;
    }
    for (position, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * position..2 * position + 2], 16).ok()?;
    }
    Some(hash)
}

fn invalid_row(table: &'static str, key: String) -> impl Fn(&str, &dyn Display) -> StoreError {
    move |column, problem| {
        StoreError::Refused(format!("the row {key} of {table} is invalid: {column} {problem}"))
    }
}
