//! What the worker does with commands, free of any broker and database.
//!
//! [`MessageBus::handle_batch`] is the heart: a batch of messages in, one outcome for each out, all
//! effects in one unit of work. The ports that it and the entrypoints need live here, beside their
//! users: [`Store`], [`Publisher`], [`Delivery`] and [`CommandSource`], [`OrderQueries`], [`Clock`].

mod backoff;
mod clock;
pub mod dead_letters;
mod delivery;
mod disclosures;
mod forwarding;
mod handlers;
mod health;
mod in_flight;
mod message;
mod message_bus;
mod outbound;
mod outbox;
mod outcome;
mod parts;
mod publisher;
mod queries;
mod relay;
mod sampling;
mod store;
mod unit_of_work;
pub mod wire;

pub use backoff::Backoff;
pub use clock::Clock;
pub use delivery::{
    CommandSource, Delivery, HeaderValue, Headers, PresentChannel, Properties, Settlement,
    Settlements, Tag,
};
pub use disclosures::{Disclosure, Disclosures};
pub use forwarding::{Forward, Forwarding};
pub use health::{Health, Inflow, RelayRole, Troubles};
pub use in_flight::InFlight;
pub use message::{BodyHash, Intent, Message};
pub use message_bus::{Handled, MessageBus};
pub use outbound::{MOST_WINDOWS, Outbound, Published, Window};
pub use outbox::{OutboxEntry, OutboxKey, Outgoing, OutgoingKind};
pub use outcome::{DeadLetter, DeadLetterCode, OrderState, Outcome, RetryReason};
pub use publisher::{
    Confirmation, Publication, PublishError, Publisher, Target, Verdict, publish_all,
};
pub use queries::{
    Cause, HistoryEntry, InvalidQuery, OrderHistory, OrderQueries, OrderQuery, OrderQueryText,
    Page, Place, Sort, StatusFilter,
};
pub use relay::{Relay, RelayHolder, RelayStore};
pub use sampling::{
    MOST_COUNTED, OpenLetters, Outboxed, QueueDepth, QueueDepths, Stock, Stocktaking,
    sample_queues, sample_stock,
};
pub use store::{
    Changes, FIRST_NUMBER, HandledMessage, HandledOutcome, HistoryRow, Loaded, MAX_LOADED_ITEMS,
    Needs, Store, StoreError, StoreTransaction,
};
pub use unit_of_work::{Orders, UnitOfWork};
