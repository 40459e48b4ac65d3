//! A delivery that has been looked at, on its way to its lane.

use super::share::share;
use crate::domain::OrderId;
use crate::service_layer::decode::{self, Decoded, Deviations};
use crate::service_layer::{Delivery, Message};

/// A delivery and what it turned out to be.
#[derive(Debug)]
pub struct DecodedDelivery {
    pub delivery: Delivery,
    pub decoded: Decoded,
}

impl DecodedDelivery {
    pub fn on(delivery: Delivery) -> Self {
        Self { decoded: decode::decode(&delivery.envelope), delivery }
    }

    /// A delivery that was taken up, and has to wait: its message was read and counted before.
    pub fn again(delivery: Delivery, message: Message) -> Self {
        let kind = Some(message.command.kind());
        Self {
            delivery,
            decoded: Decoded { result: Ok(message), kind, notes: Deviations::default() },
        }
    }

    /// The order that the message names.
    pub fn order_id(&self) -> Option<&OrderId> {
        self.decoded.result.as_ref().ok().and_then(|message| message.command.order_id())
    }

    /// The lane, of `lanes`: the same for all commands of an order, so that they take effect in the
    /// order of the queue. Orders without a number go by their message id; the repeats of a message
    /// meet in one batch then. What is refused may go anywhere.
    pub fn lane(&self, lanes: usize) -> usize {
        match &self.decoded.result {
            Ok(message) => match message.command.order_id() {
                Some(order_id) => share(order_id, lanes),
                None => share(message.message_id(), lanes),
            },
            Err(_) => share(self.delivery.tag.number, lanes),
        }
    }
}
