//! The port for consuming: deliveries and their settlement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;

use super::{ByteBudget, ByteReservation};
use crate::messages::Envelope;

/// A message as delivered by a broker. It must be settled exactly once.
#[derive(Debug)]
pub struct Delivery {
    pub tag: DeliveryTag,
    /// The broker delivered it before; it may have crashed the worker that received it.
    pub redelivered: bool,
    pub envelope: Envelope,
    /// The message's share of the [budget](super::ByteBudget), if there is one.
    pub reservation: Option<ByteReservation>,
}

/// Identifies a delivery. AMQP delivery tags are scoped to a channel, so a tag without its channel
/// could settle another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryTag {
    /// The number of the channel, counted per source. A tag of an earlier channel is stale: its
    /// message is back in the queue.
    pub channel: u32,
    pub number: u64,
}

/// What a source should do with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Acknowledge it: the broker deletes the message.
    Ack(DeliveryTag),
}

/// Sends settlements to the source.
///
/// A source MUST ignore stale tags, and MUST return unsettled deliveries to the queue when the last
/// clone of this sender is dropped.
pub type AckSender = mpsc::UnboundedSender<Vec<Settlement>>;

/// A consumed queue: its deliveries, and the channel for their settlements.
///
/// `deliveries` ends when the source is stopped or its input is exhausted; a broken connection MUST
/// NOT end it. The source MUST NOT have more unsettled deliveries than its prefetch, not counting
/// stale ones, nor more bytes than its budget.
#[derive(Debug)]
pub struct CommandSource {
    pub deliveries: mpsc::Receiver<Delivery>,
    pub settlements: AckSender,
    pub channel_epoch: ChannelEpoch,
}

/// Limits on the unsettled deliveries of a source.
#[derive(Debug, Clone)]
pub struct IntakeBounds {
    /// Maximum messages.
    pub prefetch: u16,
    /// Maximum bytes of messages.
    pub bytes: ByteBudget,
}

/// The number of the current channel of a source; clones share it.
#[derive(Debug, Clone, Default)]
pub struct ChannelEpoch(Arc<AtomicU32>);

impl ChannelEpoch {
    /// Starts a new channel, which makes all earlier tags stale. Returns its number.
    pub fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether the message is back in the queue and will be redelivered.
    pub fn is_stale(&self, tag: DeliveryTag) -> bool {
        tag.channel != self.0.load(Ordering::Acquire)
    }
}
