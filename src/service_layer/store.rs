//! The port of the unit of work: a transaction over a batch.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::{CommandKind, MessageId, Order, OrderId, StatusChange};
use crate::messages::{BodyHash, Message, OrderState, OutboxKey, OutboxMessage, OutboxRow};

/// The first order number that the worker assigns. Far above the numbers that a shop which assigns
/// its own would start with, so that they rarely collide; a number that is taken is skipped.
pub const FIRST_NUMBER: u32 = 1_000_001;

/// Maximum items of all orders of a batch that are loaded at once; also the maximum items in the
/// events of a batch. An order has at most 500 items; 20,000 items take about 6 MB.
pub const MAX_LOADED_ITEMS: usize = 20_000;

/// Maximum outbox rows that a commit returns: about as many as the events that a lane can have in
/// flight, which are among them. With more than that, the broker is the bottleneck, and it would
/// not help if the lane published them as well.
pub const MAX_EARLIER_ROWS: usize = 2_000;

/// What a batch looks up at the start of its transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BatchLookup {
    pub message_ids: Vec<MessageId>,
    /// Sorted, so that two units of work lock in the same order.
    pub order_ids: Vec<OrderId>,
    /// The number of orders to be placed without an order id.
    pub new_orders: usize,
    /// Assume that none of the messages and orders exist, and look nothing up. If one does exist, the
    /// commit fails.
    pub assume_new: bool,
    /// Do not wait for locks: orders that another transaction has locked are [`StoreError::Locked`]
    /// at once.
    pub skip_locked: bool,
}

impl BatchLookup {
    pub fn of<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Self {
        let mut lookup = Self::default();
        for message in messages {
            lookup.message_ids.extend(message.message_id().cloned());
            match message.command.order_id() {
                Some(order_id) => lookup.order_ids.push(order_id.clone()),
                None => lookup.new_orders += 1,
            }
        }
        lookup.message_ids.sort_unstable();
        lookup.message_ids.dedup();
        lookup.order_ids.sort_unstable();
        lookup.order_ids.dedup();
        lookup
    }
}

/// The result of a [`BatchLookup`].
#[derive(Debug, Default)]
pub struct BatchState {
    pub handled: HashMap<MessageId, InboxEntry>,
    pub orders: Vec<Order>,
    /// One unused order number for each of the new orders.
    pub numbers: Vec<OrderId>,
}

/// A row of the inbox: a processed message. Dead letters have none, as a replay must not be a
/// duplicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEntry {
    pub message_id: MessageId,
    pub body_hash: BodyHash,
    pub command: CommandKind,
    /// The order, and its status after the message.
    pub order: OrderState,
    pub outcome: InboxOutcome,
    pub handled_at: DateTime<Utc>,
}

/// The outcomes that are recorded in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxOutcome {
    Accepted,
    Duplicate,
    /// The code of the business rule.
    Rejected(Cow<'static, str>),
}

impl InboxOutcome {
    /// The value in the database.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Rejected(_) => "rejected",
        }
    }

    /// The code of the business rule that rejected the command.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Accepted | Self::Duplicate => None,
            Self::Rejected(code) => Some(code),
        }
    }
}

/// A row of an order's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    pub order_id: OrderId,
    pub change: StatusChange,
    pub command: CommandKind,
    pub caused_by: Option<MessageId>,
    /// The reason given in the command, if any.
    pub reason: Option<String>,
}

/// Everything that a batch writes.
#[derive(Debug, Default)]
pub struct Changes {
    pub placed: Vec<Order>,
    /// Each with the version as loaded.
    pub updated: Vec<(Order, i32)>,
    pub history: Vec<HistoryRow>,
    pub handled: Vec<InboxEntry>,
    pub outbox: Vec<OutboxMessage>,
    /// Messages that the broker has confirmed, to be deleted from the outbox in this transaction.
    pub published: Vec<OutboxKey>,
}

impl Changes {
    /// The orders with new events that existed before this batch, without repeats: their earlier
    /// events in the outbox must be published first.
    pub fn known_orders_with_events(&self) -> Vec<&OrderId> {
        let placed: HashSet<&OrderId> = self.placed.iter().map(Order::order_id).collect();
        let events = self.outbox.iter().filter(|message| message.kind.is_event());
        let mut order_ids: Vec<&OrderId> = events
            .map(|event| &event.key.order_id)
            .filter(|order_id| !placed.contains(order_id))
            .collect();
        order_ids.sort_unstable();
        order_ids.dedup();
        order_ids
    }
}

/// Why a store operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database is unavailable: retry later, without limit. The result of a commit may be
    /// unknown; on the next attempt, the inbox shows it.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database reports an error that is not known to be caused by a message, such as a missing
    /// privilege, a corrupted index or a canceled statement. No message becomes a dead letter:
    /// retry later. If the error persists, one of the messages may cause it, so process the others
    /// without it.
    #[error("the database failed: {0}")]
    Failed(String),
    /// The session broke before anything changed: retry at once, on a new session.
    #[error("the session with the database is lost: {0}")]
    SessionLost(String),
    /// The database cannot be used until an operator acts: the URL is malformed, or the schema is
    /// not one that this program supports.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    /// A concurrent transaction changed the same rows: retry at once.
    #[error("conflict with another transaction: {0}")]
    Conflict(String),
    /// Another transaction keeps these orders locked. Empty if the store cannot tell which of the
    /// messages' orders are locked.
    #[error("another transaction has locked an order")]
    Locked(Vec<OrderId>),
    /// The orders have more than [`MAX_LOADED_ITEMS`] items in total: load fewer orders at once. A
    /// single order is always loaded with all its items.
    #[error("the orders have too many items to be loaded at once")]
    TooLarge,
    /// The database rejects the values of one of the messages.
    #[error("the database refused a message: {0}")]
    Refused(String),
}

impl StoreError {
    /// Whether the session can be used again after a rollback.
    pub fn keeps_session(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::SessionLost(_) | Self::Unusable(_) => false,
            Self::Failed(_)
            | Self::Conflict(_)
            | Self::Locked(_)
            | Self::TooLarge
            | Self::Refused(_) => true,
        }
    }
}

/// A database session. Each lane has its own.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Begins a transaction and loads the messages and orders of a batch. MUST lock the existing
    /// orders until the transaction ends, and MUST return only order numbers that no order has and
    /// that no other transaction gets. MAY load nothing if everything is [assumed
    /// new](BatchLookup::assume_new). MUST NOT wait for a lock for longer than about a second, and
    /// not at all with [`skip_locked`](BatchLookup::skip_locked).
    ///
    /// Cancel safety: dropping the future, or the transaction, at any point MUST leave the next
    /// transaction clean.
    ///
    /// # Errors
    /// See [`StoreError`]. Nothing is changed.
    async fn begin(
        &mut self,
        lookup: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError>;

    /// Deletes published messages from the outbox; missing rows are not an error. MUST NOT wait for
    /// rows that another transaction has locked: these stay, and the relay publishes them again.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError>;
}

/// An open transaction. Dropping it rolls it back.
#[async_trait]
pub trait StoreTransaction: Debug + Send {
    /// Writes all changes and commits, atomically. Published messages that another transaction has
    /// locked stay in the outbox, see [`Store::remove_published`].
    ///
    /// Returns the rows that the outbox already held for the [known orders with
    /// events](Changes::known_orders_with_events), without the `published` messages: they must be
    /// published before the new ones. Sorted by key; at most the first [`MAX_EARLIER_ROWS`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an order or a message id was inserted concurrently,
    /// [`StoreError::Refused`] when a row is invalid; nothing is changed. An order that existed before may
    /// cause either. After [`StoreError::Unavailable`], the changes may or may not be committed.
    async fn commit(self: Box<Self>, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError>;

    /// Discards all changes; the session stays usable.
    ///
    /// # Errors
    /// See [`StoreError`]. The changes are discarded in any case.
    async fn rollback(self: Box<Self>) -> Result<(), StoreError>;
}
