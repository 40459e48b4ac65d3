//! The port of the read side: lists of orders, one order with its history, one message's fate.

mod order_query;
mod page;

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use order_query::{InvalidQuery, OrderQuery, OrderQueryText, Sort, StatusFilter};
pub use page::{Page, Place};

use super::{InboxEntry, StoreError};
use crate::domain::{MessageId, Order, OrderId, Status};

/// An order and how it came to be what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderHistory {
    pub order: Order,
    /// In the order of versions.
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

/// Who or what caused a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub command: String,
    pub message_id: Option<String>,
    pub reason: Option<String>,
}

/// Answers questions about orders. Reads only what is committed.
#[async_trait]
pub trait OrderQueries: Debug + Send + Sync {
    /// One page of the orders, sorted as [`OrderQuery::sort`] says; ties by order id. An order that
    /// comes into being, or changes, while somebody goes from page to page MUST NOT make another
    /// order appear twice or be left out.
    ///
    /// # Errors
    /// When the database is in trouble or holds a row that is no order.
    async fn orders(&self, query: &OrderQuery, page: &Page) -> Result<Vec<Order>, StoreError>;

    /// One order with its history; none when there is no such order.
    ///
    /// # Errors
    /// As above.
    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError>;

    /// What became of a message; none when it is not done with.
    ///
    /// # Errors
    /// As above.
    async fn message(&self, message_id: &MessageId) -> Result<Option<InboxEntry>, StoreError>;
}
