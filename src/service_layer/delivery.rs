//! The port through which messages come in and are settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;

use super::{ByteBudget, ByteReservation};
use crate::messages::Envelope;

/// A message as a broker handed it over, to be settled exactly once.
#[derive(Debug)]
pub struct Delivery {
    pub tag: DeliveryTag,
    /// The broker handed it out before: the worker that held it may have died of it.
    pub redelivered: bool,
    pub envelope: Envelope,
    /// The bytes that the message takes of its [budget](super::ByteBudget), where there is one.
    pub reservation: Option<ByteReservation>,
}

/// Names a delivery on the channel that it came by. Delivery tags restart on a new channel, so a
/// tag without its channel could settle another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryTag {
    /// Counts the channels of one source; a tag of an earlier one is stale, and its message is
    /// already with the broker again.
    pub channel: u32,
    pub number: u64,
}

/// What a worker tells a source about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Done with: the broker forgets it.
    Ack(DeliveryTag),
}

/// Where settlements go.
///
/// A source MUST take a settlement with a stale tag without effect, and MUST hand back to the
/// broker whatever is not settled when the last clone of this sender is dropped.
pub type AckSender = mpsc::UnboundedSender<Vec<Settlement>>;

/// A broker's queue as the consumer sees it: what comes in, and where to settle it.
///
/// `deliveries` ends when the source was told to stop or its input is used up; a broken connection
/// MUST NOT end it. Memory is bounded by the source: it never has more unsettled deliveries out
/// than its prefetch, the stale ones not counted, nor more bytes than its budget.
#[derive(Debug)]
pub struct CommandSource {
    pub deliveries: mpsc::Receiver<Delivery>,
    pub settlements: AckSender,
    pub channel_epoch: ChannelEpoch,
}

/// How much a source may have out at a time.
#[derive(Debug, Clone)]
pub struct IntakeBounds {
    /// Most messages.
    pub prefetch: u16,
    /// Most bytes of messages.
    pub bytes: ByteBudget,
}

/// The number of the channel whose tags are good.
#[derive(Debug, Clone, Default)]
pub struct ChannelEpoch(Arc<AtomicU32>);

impl ChannelEpoch {
    /// Makes all tags given so far stale; answers the number of the new channel.
    pub fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether the delivery is with the broker again, which will hand it out once more.
    pub fn is_stale(&self, tag: DeliveryTag) -> bool {
        tag.channel != self.0.load(Ordering::Acquire)
    }
}
