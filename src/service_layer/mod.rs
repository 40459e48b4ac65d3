//! Processing of commands, independent of any broker and database.
//!
//! [`MessageBus::handle_batch`] is the core: it handles a batch of messages in one unit of work and
//! returns one outcome for each. The ports are defined here, next to their users: [`Store`],
//! [`Publisher`], [`Delivery`] and [`CommandSource`], [`OrderQueries`], [`Clock`].

mod backoff;
mod bisection;
mod byte_budget;
mod clock;
mod cooldown;
mod copy_publisher;
pub mod dead_letters;
pub mod decode;
mod delivery;
pub mod doctor;
mod event_publisher;
mod handlers;
mod health;
mod in_flight;
mod log_throttle;
mod message_bus;
mod outage_reasons;
mod pii_access;
mod publisher;
mod queries;
mod relay;
mod reply_publisher;
mod republisher;
mod rerouter;
mod sampling;
mod server_url;
mod store;
mod unit_of_work;

pub use backoff::Backoff;
pub use byte_budget::{ByteBudget, ByteReservation, MESSAGE_OVERHEAD};
pub use clock::Clock;
pub use cooldown::Cooldown;
pub use copy_publisher::{CommandCopy, CopyPublisher};
pub use delivery::{
    AckSender, ChannelEpoch, CommandSource, Delivery, DeliveryTag, IntakeBounds, Settlement,
};
pub use event_publisher::{EventPublisher, MAX_WAITING_BATCHES, PublishBatch, PublishResult};
pub use health::{Health, Outages, RelayRole};
pub use in_flight::InFlight;
pub use log_throttle::LogThrottle;
pub use message_bus::MessageBus;
pub use pii_access::{PiiAccess, PiiAccessLog};
pub use publisher::{PublishError, Publisher, publish_window};
pub use queries::{
    Cause, HistoryEntry, InvalidQuery, OrderCursor, OrderHistory, OrderQueries, OrderQuery,
    OrderQueryText, Page, Sort, StatusFilter,
};
pub use relay::{Relay, RelayHolder, RelayPass, RelayStore};
pub use reply_publisher::{ReplyPublisher, ReplySender};
pub use republisher::{OnConfirm, Republish, Republisher};
pub use rerouter::{ORDER_ID_HEADER, Reroute, Rerouter, has_order_id, set_order_id};
pub use sampling::{BacklogProbe, QueueDepths, sample_backlog, sample_queues};
pub use server_url::ServerUrl;
pub use store::{
    BatchLookup, BatchState, Changes, FIRST_NUMBER, HistoryRow, InboxEntry, InboxOutcome,
    MAX_EARLIER_ROWS, MAX_LOADED_ITEMS, Store, StoreError, StoreTransaction,
};
pub use unit_of_work::{Orders, UnitOfWork};
