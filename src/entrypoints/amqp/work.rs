//! A delivery that has been looked at, on its way to its lane.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::edge::{self, Decoded};
use crate::service_layer::Delivery;

/// A delivery and what it turned out to be.
#[derive(Debug)]
pub struct Work {
    pub delivery: Delivery,
    pub decoded: Decoded,
}

impl Work {
    #[must_use]
    pub fn on(delivery: Delivery) -> Self {
        Self { decoded: edge::decode(&delivery), delivery }
    }

    /// The lane, of `lanes`: the same for all commands of an order, so that they take effect in the
    /// order of the queue. Orders without a number go by their message id; the repeats of a message
    /// meet in one batch then. What is refused may go anywhere.
    #[must_use]
    pub fn lane(&self, lanes: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        match &self.decoded.result {
            Ok(message) => match message.command.order_id() {
                Some(order_id) => order_id.hash(&mut hasher),
                None => message.message_id().hash(&mut hasher),
            },
            Err(_) => self.delivery.tag.number.hash(&mut hasher),
        }
        let lanes = u64::try_from(lanes).unwrap_or(1).max(1);
        usize::try_from(hasher.finish() % lanes).unwrap_or(0)
    }
}
