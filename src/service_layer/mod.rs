//! What the worker does with commands, free of any broker and database.
//!
//! [`MessageBus::handle_batch`] is the heart: a batch of messages in, one outcome for each out, all
//! effects in one unit of work. The ports that it and the entrypoints need live here, beside their
//! users: [`Store`], [`Publisher`], [`Delivery`] and [`CommandSource`], [`OrderQueries`], [`Clock`].

mod backoff;
mod byte_budget;
mod clock;
mod cooldown;
pub mod dead_letters;
mod delivery;
mod disclosures;
mod event_publisher;
mod handlers;
mod health;
mod in_flight;
mod log_throttle;
mod message;
mod message_bus;
mod outbox;
mod outcome;
mod parts;
mod publisher;
mod queries;
mod relay;
mod reply_publisher;
mod republisher;
mod sampling;
mod store;
mod unit_of_work;
pub mod wire;

pub use backoff::Backoff;
pub use byte_budget::{ByteBudget, ByteHold, MESSAGE_OVERHEAD};
pub use clock::Clock;
pub use cooldown::Cooldown;
pub use delivery::{
    CommandSource, Delivery, HeaderValue, Headers, IntakeBounds, PresentChannel, Properties,
    Settlement, Settlements, Tag, Unreadable,
};
pub use disclosures::{Disclosure, Disclosures};
pub use event_publisher::{EventPublisher, MAX_WAITING_BATCHES, PublishBatch, PublishResult};
pub use health::{Health, Inflow, RelayRole, Troubles};
pub use in_flight::InFlight;
pub use message::{BodyHash, Intent, Message};
pub use message_bus::{Handled, MessageBus};
pub use outbox::{OutboxEntry, OutboxKey, Outgoing, OutgoingKind};
pub use outcome::{DeadLetter, DeadLetterCode, OrderState, Outcome, RetryReason};
pub use publisher::{Publication, PublishError, PublishStatus, Publisher, Target, publish_window};
pub use queries::{
    Cause, HistoryEntry, InvalidQuery, OrderHistory, OrderQueries, OrderQuery, OrderQueryText,
    Page, Place, Sort, StatusFilter,
};
pub use relay::{Relay, RelayHolder, RelayPass, RelayStore};
pub use reply_publisher::{DropReason, ReplyPublisher, ReplySender};
pub use republisher::{Original, Republish, Republisher};
pub use sampling::{
    MOST_COUNTED, OpenLetters, Outboxed, QueueDepth, QueueDepths, Stock, Stocktaking,
    sample_queues, sample_stock,
};
pub use store::{
    Changes, FIRST_NUMBER, HandledMessage, HandledOutcome, HistoryRow, Loaded, MAX_LOADED_ITEMS,
    Needs, Store, StoreError, StoreTransaction,
};
pub use unit_of_work::{Orders, UnitOfWork};
