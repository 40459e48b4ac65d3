//! The order: the aggregate that enforces the rules.

use chrono::{DateTime, Utc};

use super::{CustomerId, Email, Items, Money, Name, OrderId, PlaceOrder, Status};

/// The customer, as of placing the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub customer_id: CustomerId,
    pub name: Name,
    pub email: Email,
}

/// A change of an order's status; the first one has no previous status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusChange {
    pub previous: Option<Status>,
    pub status: Status,
    /// The order's version after the change.
    pub version: i32,
    pub at: DateTime<Utc>,
}

/// The domain rule that rejected a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the order is already cancelled")]
    AlreadyCancelled,
    #[error("the order is already completed")]
    AlreadyCompleted,
    #[error("an order can be cancelled only while it is Received; it is {status}")]
    CannotBeCancelled { status: Status },
    #[error("the order was expected to be {expected}; it is {status}")]
    MovedOn { expected: Status, status: Status },
}

impl Rejection {
    /// All codes, in the order of the variants.
    pub const CODES: [&'static str; 4] = [
        "OrderAlreadyCancelled",
        "OrderAlreadyCompleted",
        "OrderCannotBeCancelled",
        "OrderMovedOn",
    ];

    /// The stable code of the rule, for messages, logs and tables.
    pub fn code(&self) -> &'static str {
        let [already_cancelled, already_completed, cannot_be_cancelled, moved_on] = Self::CODES;
        match self {
            Self::AlreadyCancelled => already_cancelled,
            Self::AlreadyCompleted => already_completed,
            Self::CannotBeCancelled { .. } => cannot_be_cancelled,
            Self::MovedOn { .. } => moved_on,
        }
    }
}

/// An order of the shop.
#[expect(clippy::struct_field_names, reason = "every message calls it `order_id`")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    order_id: OrderId,
    customer: Customer,
    items: Items,
    total: Money,
    status: Status,
    created_at: DateTime<Utc>,
    last_updated: DateTime<Utc>,
    version: i32,
}

/// The fields of an order as loaded from a database; see [`Order::from_stored`].
#[derive(Debug, Clone)]
pub struct PersistedOrder {
    pub order_id: OrderId,
    pub customer: Customer,
    pub items: Items,
    pub total: Money,
    pub status: Status,
    pub created_at: DateTime<Utc>,
    pub last_updated: DateTime<Utc>,
    pub version: i32,
}

impl Order {
    /// Places a new order: status Received, version 1.
    pub fn place(order_id: OrderId, placed: PlaceOrder, at: DateTime<Utc>) -> (Self, StatusChange) {
        let order = Self {
            order_id,
            customer: placed.customer,
            items: placed.items,
            total: placed.total,
            status: Status::Received,
            created_at: at,
            last_updated: at,
            version: 1,
        };
        (order, StatusChange { previous: None, status: Status::Received, version: 1, at })
    }

    /// An order loaded from a database, without checking any rule.
    pub fn from_stored(stored: PersistedOrder) -> Self {
        let PersistedOrder {
            order_id,
            customer,
            items,
            total,
            status,
            created_at,
            last_updated,
            version,
        } = stored;
        Self { order_id, customer, items, total, status, created_at, last_updated, version }
    }

    /// Cancels the order.
    ///
    /// # Errors
    /// When the order is not in status Received.
    pub fn cancel(&mut self, at: DateTime<Utc>) -> Result<StatusChange, Rejection> {
        match self.status {
            Status::Received => Ok(self.change_to(Status::Cancelled, at)),
            Status::Cancelled => Err(Rejection::AlreadyCancelled),
            status => Err(Rejection::CannotBeCancelled { status }),
        }
    }

    /// Sets any status. Returns `None` when the order is already in that status.
    ///
    /// # Errors
    /// When the order is in a final status.
    pub fn set_status(
        &mut self,
        status: Status,
        at: DateTime<Utc>,
    ) -> Result<Option<StatusChange>, Rejection> {
        self.ensure_open()?;
        Ok((status != self.status).then(|| self.change_to(status, at)))
    }

    /// Moves the order to the next status; with `from`, only out of that status.
    ///
    /// # Errors
    /// When the order is in a final status, or in another status than `from`.
    pub fn advance(
        &mut self,
        from: Option<Status>,
        at: DateTime<Utc>,
    ) -> Result<StatusChange, Rejection> {
        let next = self.ensure_open()?;
        match from {
            Some(expected) if expected != self.status => {
                Err(Rejection::MovedOn { expected, status: self.status })
            }
            _ => Ok(self.change_to(next, at)),
        }
    }

    /// The next status, or why there is none.
    fn ensure_open(&self) -> Result<Status, Rejection> {
        self.status.next().ok_or(match self.status {
            Status::Cancelled => Rejection::AlreadyCancelled,
            _ => Rejection::AlreadyCompleted,
        })
    }

    fn change_to(&mut self, status: Status, at: DateTime<Utc>) -> StatusChange {
        let previous = Some(std::mem::replace(&mut self.status, status));
        self.version += 1;
        // Timestamps of an order never decrease, even if the clock was set back.
        self.last_updated = self.last_updated.max(at);
        StatusChange { previous, status, version: self.version, at: self.last_updated }
    }

    /// Whether the order was placed with the same customer, items and total.
    pub fn was_placed_as(&self, placed: &PlaceOrder) -> bool {
        self.customer == placed.customer && self.items == placed.items && self.total == placed.total
    }

    pub fn order_id(&self) -> &OrderId {
        &self.order_id
    }

    pub fn customer(&self) -> &Customer {
        &self.customer
    }

    pub fn items(&self) -> &Items {
        &self.items
    }

    pub fn total(&self) -> Money {
        self.total
    }

    pub fn status(&self) -> Status {
        self.status
    }

    pub fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    pub fn last_updated(&self) -> DateTime<Utc> {
        self.last_updated
    }

    /// 1 for a new order, incremented by each change.
    pub fn version(&self) -> i32 {
        self.version
    }
}
