//! The port behind the unit of work: what a database must do for a batch.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::{CommandKind, MessageId, Order, OrderId, StatusChange};
use crate::messages::{BodyHash, Message, OrderState, OutboxKey, OutboxMessage, OutboxRow};

/// The first number that the worker assigns. Far above what a store that names its orders itself
/// begins with, so that the two rarely meet; a number that is taken all the same is left out.
pub const FIRST_NUMBER: u32 = 1_000_001;

/// Most items that are loaded at once, of all orders of a batch together; also the most items in the
/// events of a batch. An order has at most 500: 20,000 of them are about 6 MB.
pub const MAX_LOADED_ITEMS: usize = 20_000;

/// Most rows of the outbox that a commit returns: about as many events as a lane may have on their way
/// itself, which are among them. Where there are more, the broker takes too little for it to help that
/// a lane publishes them as well.
pub const MAX_EARLIER_ROWS: usize = 2_000;

/// What a batch of messages names, told to the store in one go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BatchLookup {
    pub message_ids: Vec<MessageId>,
    /// Sorted, so that two units of work lock in the same order.
    pub order_ids: Vec<OrderId>,
    /// How many orders still have no number.
    pub new_orders: usize,
    /// Whether the caller takes none of the messages and orders for known. What is known all the same
    /// makes the commit fail.
    pub assume_new: bool,
    /// Whether to wait for no lock: orders that somebody has are [`StoreError::Locked`] at once.
    pub skip_locked: bool,
}

impl BatchLookup {
    pub fn of<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Self {
        let mut needs = Self::default();
        for message in messages {
            needs.message_ids.extend(message.message_id().cloned());
            match message.command.order_id() {
                Some(order_id) => needs.order_ids.push(order_id.clone()),
                None => needs.new_orders += 1,
            }
        }
        needs.message_ids.sort_unstable();
        needs.message_ids.dedup();
        needs.order_ids.sort_unstable();
        needs.order_ids.dedup();
        needs
    }
}

/// What the store knew of what a batch named.
#[derive(Debug, Default)]
pub struct BatchState {
    pub handled: HashMap<MessageId, InboxEntry>,
    pub orders: Vec<Order>,
    /// As many unused order numbers as were needed.
    pub numbers: Vec<OrderId>,
}

/// A message that is done with. A dead letter never becomes one: its replay must count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEntry {
    pub message_id: MessageId,
    pub body_hash: BodyHash,
    pub command: CommandKind,
    /// The order and its present status, as far as the message had to do with one.
    pub order: OrderState,
    pub outcome: InboxOutcome,
    pub handled_at: DateTime<Utc>,
}

/// The outcomes that end a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxOutcome {
    Accepted,
    Duplicate,
    /// With the code of the rule.
    Rejected(Cow<'static, str>),
}

impl InboxOutcome {
    /// The word in tables.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Rejected(_) => "rejected",
        }
    }

    /// The rule that rejected.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Accepted | Self::Duplicate => None,
            Self::Rejected(code) => Some(code),
        }
    }
}

/// One line of an order's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    pub order_id: OrderId,
    pub change: StatusChange,
    pub command: CommandKind,
    pub caused_by: Option<MessageId>,
    /// Why, where the command said so.
    pub reason: Option<String>,
}

/// All that a batch leaves behind.
#[derive(Debug, Default)]
pub struct Changes {
    pub placed: Vec<Order>,
    /// Each with the version that was loaded.
    pub updated: Vec<(Order, i32)>,
    pub history: Vec<HistoryRow>,
    pub handled: Vec<InboxEntry>,
    pub outgoing: Vec<OutboxMessage>,
    /// Messages that the broker confirmed since: they leave the outbox with this transaction.
    pub published: Vec<OutboxKey>,
}

impl Changes {
    /// The orders that were there before and that these changes have events of: what the outbox holds
    /// of them must be published first. Each once.
    pub fn known_orders_with_events(&self) -> Vec<&OrderId> {
        let placed: HashSet<&OrderId> = self.placed.iter().map(Order::order_id).collect();
        let events = self.outgoing.iter().filter(|message| message.kind.is_event());
        let mut order_ids: Vec<&OrderId> = events
            .map(|event| &event.key.order_id)
            .filter(|order_id| !placed.contains(order_id))
            .collect();
        order_ids.sort_unstable();
        order_ids.dedup();
        order_ids
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database is in trouble: try the same again later, as often as it takes. Whether a commit
    /// took effect may be unknown; the inbox tells on the next attempt.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The database answers, and cannot do what it was asked: for want of a right, because of a broken
    /// index, because somebody canceled it. Mostly no message has part in it, so none becomes a dead
    /// dead letter: try the same again later. Where that does not help, one of the messages may be what it
    /// fails at, so try the others without it.
    #[error("the database failed: {0}")]
    Failed(String),
    /// The session was of no use any more and is given up, nothing is changed: try the same again at
    /// once, on a new one.
    #[error("the session with the database is lost: {0}")]
    SessionLost(String),
    /// The database cannot be used before somebody changes something: its address is malformed, or
    /// its tables are of another program.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    /// Another unit of work was faster: try the same again at once.
    #[error("another transaction was faster: {0}")]
    Conflict(String),
    /// Another transaction has these orders, and keeps them. None are named where the store cannot
    /// tell which: then it is for one of the messages.
    #[error("another transaction has locked what a message names")]
    Locked(Vec<OrderId>),
    /// The orders have more than [`MAX_LOADED_ITEMS`] items in all: ask for fewer orders at once. Of
    /// one order alone, all items are loaded.
    #[error("the orders have too many items to be loaded at once")]
    TooLarge,
    /// The database does not take what one of the messages wants.
    #[error("the database refused a message: {0}")]
    Refused(String),
}

impl StoreError {
    /// Whether a transaction that failed like this can be rolled back, and its session used again.
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

/// A session with a database: one lane's own.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Begins a transaction and loads what a batch names. MUST lock the orders that exist until the
    /// transaction ends, so that no other unit of work changes them, and MUST return only numbers
    /// that no order has and no other transaction gets. MAY load nothing where all is
    /// [assumed new](BatchLookup::assume_new). MUST NOT wait for somebody's lock for more than about a
    /// second, and not at all where [locked orders are skipped](BatchLookup::skip_locked).
    ///
    /// Cancel safety: dropping the future, or the transaction, at any point MUST leave the next
    /// transaction clean.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is changed then.
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError>;

    /// Takes published messages out of the outbox; those that are gone already are no error. What
    /// somebody else has locked MUST NOT be waited for: it stays for the relay, which publishes it
    /// again.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError>;
}

/// An open transaction. Dropping it rolls it back.
#[async_trait]
pub trait StoreTransaction: Debug + Send {
    /// Writes all changes and commits. All or none of them MUST become visible to others. Published
    /// messages that somebody else has locked stay in the outbox, see [`Store::remove_published`].
    ///
    /// Returns what was in the outbox already of the [known orders with
    /// events](Changes::known_orders_with_events), but for the `published` messages: it must be
    /// published before the new ones. Sorted by key, and at most the first [`MAX_EARLIER_ROWS`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when an order or a message id came into being meanwhile,
    /// [`StoreError::Refused`] when a row is not acceptable; nothing is changed then. An order that
    /// was there already may be either. After [`StoreError::Unavailable`] the changes may be committed
    /// or not.
    async fn commit(self: Box<Self>, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError>;

    /// Gives up all changes and keeps the session usable.
    ///
    /// # Errors
    /// See [`StoreError`]; the changes are given up all the same.
    async fn rollback(self: Box<Self>) -> Result<(), StoreError>;
}
