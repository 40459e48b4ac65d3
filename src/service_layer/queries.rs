//! The port of the read side: lists of orders, one order with its history, one message's fate.

use std::future::Future;

use chrono::{DateTime, Utc};

use super::{HandledMessage, StoreError};
use crate::domain::{CustomerId, MessageId, Order, OrderId, Status};

/// Which orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderQuery {
    /// All orders of a customer, by status, then newest first.
    OfCustomer(CustomerId),
    /// A customer's orders in every status but Completed, by status, then newest first.
    IncompleteOf(CustomerId),
    /// A customer's completed orders, newest first.
    CompletedOf(CustomerId),
    /// Orders in a status, newest first.
    InStatus(Status),
    /// Orders created in a period, both ends included, newest first.
    CreatedBetween { start: DateTime<Utc>, end: DateTime<Utc> },
    /// All orders, newest first.
    All,
}

/// An argument of a query that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{argument}: {problem}")]
pub struct InvalidQuery {
    pub argument: &'static str,
    pub problem: String,
}

impl OrderQuery {
    /// # Errors
    /// Naming `customer_id` when that is no identifier.
    pub fn customer(customer_id: &str) -> Result<CustomerId, InvalidQuery> {
        CustomerId::new(customer_id)
            .map_err(|error| InvalidQuery { argument: "customer_id", problem: error.to_string() })
    }

    /// # Errors
    /// Naming `status` when that is none.
    pub fn in_status(status: &str) -> Result<Self, InvalidQuery> {
        let status = status.parse().map_err(|error: crate::domain::UnknownStatus| {
            InvalidQuery { argument: "status", problem: error.to_string() }
        })?;
        Ok(Self::InStatus(status))
    }

    /// The orders of a period: RFC 3339 moments, or days (`2026-11-20`, in UTC, whole).
    ///
    /// # Errors
    /// Naming `start` or `end` when that is no moment, or `end` when it lies before `start`.
    pub fn created_between(start: &str, end: &str) -> Result<Self, InvalidQuery> {
        let (start, _) = moments("start", start)?;
        let (_, end) = moments("end", end)?;
        if end < start {
            return Err(InvalidQuery {
                argument: "end",
                problem: "must not lie before start".to_owned(),
            });
        }
        Ok(Self::CreatedBetween { start, end })
    }
}

/// The first and the last moment that a text names: both the same, but for a whole day.
fn moments(
    argument: &'static str,
    text: &str,
) -> Result<(DateTime<Utc>, DateTime<Utc>), InvalidQuery> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok((moment.to_utc(), moment.to_utc()));
    }
    let day = text.parse::<chrono::NaiveDate>().map_err(|_| InvalidQuery {
        argument,
        problem: "must be a day such as 2026-11-20 or a moment such as 2026-11-20T09:30:00Z"
            .to_owned(),
    })?;
    let last =
        day.and_hms_micro_opt(23, 59, 59, 999_999).expect("every day has a last microsecond");
    Ok((day.and_time(chrono::NaiveTime::MIN).and_utc(), last.and_utc()))
}

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
pub trait OrderQueries: Send + Sync {
    /// At most `limit` orders, sorted as the query says; ties by order id.
    ///
    /// # Errors
    /// When the database is in trouble or holds a row that is no order.
    fn orders(
        &self,
        query: &OrderQuery,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Order>, StoreError>> + Send;

    /// One order with its history; none when there is no such order.
    ///
    /// # Errors
    /// As above.
    fn order(
        &self,
        order_id: &OrderId,
    ) -> impl Future<Output = Result<Option<OrderHistory>, StoreError>> + Send;

    /// What became of a message; none when it is not done with.
    ///
    /// # Errors
    /// As above.
    fn message(
        &self,
        message_id: &MessageId,
    ) -> impl Future<Output = Result<Option<HandledMessage>, StoreError>> + Send;
}
