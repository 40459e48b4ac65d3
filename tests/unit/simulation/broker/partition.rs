//! A partition: a quorum queue and its consumers.
//!
//! With a single active consumer, the others stand by. It changes as in RabbitMQ, observed on 3.10 and
//! 4.3 and described in <https://www.rabbitmq.com/docs/consumers#single-active-consumer> and
//! <https://www.rabbitmq.com/docs/quorum-queues#consumer-priorities>:
//!
//! - The first consumer is the active one.
//! - When it goes, the next one becomes active: the one that registered first, since 4.0 the one with
//!   the highest priority.
//! - Since 4.0, when a consumer with a higher priority registers, the active one gets no more messages.
//!   Once it has settled what it holds, the other one becomes active.
//! - A consumer whose channel is lost goes, and what it holds returns to the front of the queue in
//!   order before the next one becomes active.
//! - A consumer that is cancelled goes and keeps what it holds. **The next one becomes active at once.**

use std::collections::VecDeque;

use super::queued::Queued;

#[derive(Debug, Default)]
pub struct Partition {
    pub ready: VecDeque<Queued>,
    /// In the order of registration.
    consumers: Vec<Registered>,
    active: Option<u32>,
    /// Whether another consumer waits for the active one to settle what it holds.
    is_settling: bool,
}

#[derive(Debug, Clone, Copy)]
struct Registered {
    consumer: u32,
    priority: usize,
}

impl Partition {
    pub fn register(&mut self, consumer: u32, priority: usize) {
        self.consumers.push(Registered { consumer, priority });
    }

    /// Removes a consumer; it may be none of this queue's.
    pub fn remove(&mut self, consumer: u32) {
        self.consumers.retain(|registered| registered.consumer != consumer);
        self.active.take_if(|active| *active == consumer);
    }

    pub fn has(&self, consumer: u32) -> bool {
        self.consumers.iter().any(|registered| registered.consumer == consumer)
    }

    /// Whether the consumer may get the next message.
    pub fn serves(&self, consumer: u32, has_priorities: bool) -> bool {
        self.active == Some(consumer) && (!has_priorities || self.preferred() == self.active)
    }

    /// Changes the active consumer if it is time, given whether the present one holds messages.
    /// Returns whether another consumer takes over from one that had to settle messages before.
    pub fn elect(&mut self, active_holds_messages: bool, has_priorities: bool) -> bool {
        let preferred =
            if has_priorities { self.preferred() } else { self.active.or(self.first()) };
        if self.active.is_some() && active_holds_messages {
            self.is_settling = preferred != self.active;
            return false;
        }
        let was_settling = std::mem::take(&mut self.is_settling);
        let previous = std::mem::replace(&mut self.active, preferred);
        was_settling && previous.is_some() && previous != preferred
    }

    fn first(&self) -> Option<u32> {
        self.consumers.first().map(|registered| registered.consumer)
    }

    pub fn active(&self) -> Option<u32> {
        self.active
    }

    /// The consumer with the highest priority. The active one remains if another one is equal to it,
    /// otherwise the first one counts.
    fn preferred(&self) -> Option<u32> {
        let rank = |(place, it): &(usize, &Registered)| {
            (it.priority, Some(it.consumer) == self.active, std::cmp::Reverse(*place))
        };
        self.consumers.iter().enumerate().max_by_key(rank).map(|(_, it)| it.consumer)
    }
}
