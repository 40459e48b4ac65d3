//! What happened: facts that the worker tells others.

use chrono::{DateTime, Utc};

use super::{CommandKind, Order, OrderId, Rejection, Status, StatusChange};

/// An order changed its status; carries the order as it is right after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusChanged<'a> {
    pub order: &'a Order,
    pub change: StatusChange,
}

/// A rule of the domain refused a command; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub command: CommandKind,
    pub order_id: OrderId,
    pub refusal: Rejection,
    /// The order's status and version at that time.
    pub status: Status,
    pub version: i32,
    pub at: DateTime<Utc>,
}
