//! Events: what happened to an order.

use chrono::{DateTime, Utc};

use super::{CommandKind, Order, OrderId, Rejection, Status, StatusChange};

/// The status of an order changed; with the order right after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusChanged<'a> {
    pub order: &'a Order,
    pub change: StatusChange,
}

/// A domain rule rejected a command; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub command: CommandKind,
    pub order_id: OrderId,
    pub rejection: Rejection,
    /// The order's status and version at that time.
    pub status: Status,
    pub version: i32,
    pub at: DateTime<Utc>,
}
