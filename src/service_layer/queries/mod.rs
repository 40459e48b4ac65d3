//! The port of the read side: lists of orders, an order with its history, the outcome of a message.

mod order_query;
mod page;

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use order_query::{InvalidQuery, OrderQuery, OrderQueryText, Sort, StatusFilter};
pub use page::{OrderCursor, Page};

use super::{InboxEntry, StoreError};
use crate::domain::{MessageId, Order, OrderId, Status};

/// An order with its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderHistory {
    pub order: Order,
    /// Sorted by version.
    pub history: Vec<HistoryEntry>,
}

/// One change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    pub version: i32,
    pub previous: Option<Status>,
    pub status: Status,
    pub at: DateTime<Utc>,
    pub cause: Cause,
}

/// The command that caused a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub command: String,
    pub message_id: Option<String>,
    pub reason: Option<String>,
}

/// Queries of orders. They read committed data only.
#[async_trait]
pub trait OrderQueries: Debug + Send + Sync {
    /// One page of orders, sorted by [`OrderQuery::sort`], then by order id. An order that is
    /// inserted or changed while a client pages through the list MUST NOT cause another order to be
    /// repeated or skipped.
    ///
    /// # Errors
    /// When the database is unavailable or contains an invalid row.
    async fn orders(&self, query: &OrderQuery, page: &Page) -> Result<Vec<Order>, StoreError>;

    /// An order with its history; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`orders`](Self::orders).
    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError>;

    /// The inbox entry of a message; `None` if it has not been processed.
    ///
    /// # Errors
    /// As [`orders`](Self::orders).
    async fn message(&self, message_id: &MessageId) -> Result<Option<InboxEntry>, StoreError>;
}
