//! Republishes commands with the header that assigns them to a partition.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{
    AckSender, Backoff, ByteReservation, ChannelEpoch, DeliveryTag, Health, Publisher, Settlement,
    publish_window,
};
use crate::domain::OrderId;
use crate::messages::{Properties, Publication, PublishStatus};

/// The header with the order id of a command, which determines its partition.
pub const ORDER_ID_HEADER: &str = "order-id";

/// Maximum commands that are published together.
const MAX_TOGETHER: usize = 500;

/// A command that was published without the header, or with the id of another order.
#[derive(Debug)]
pub struct Reroute {
    pub order_id: OrderId,
    /// With the right header, to [`Target::Partition`](crate::messages::Target::Partition).
    pub copy: Publication,
    /// Acknowledged when the copy is confirmed.
    pub tag: DeliveryTag,
    /// The command's share of the byte budget; released when the copy is confirmed.
    pub reservation: Option<ByteReservation>,
}

/// Publishes these commands to their partitions and acknowledges each when its copy is confirmed.
///
/// All messages without the header arrive in one partition, in the order in which they were
/// published. To preserve this order, only one command per order is published at a time.
#[derive(Debug)]
pub struct Rerouter {
    pub publisher: Box<dyn Publisher>,
    pub health: Health,
    pub settlements: AckSender,
    pub channel_epoch: ChannelEpoch,
    /// Unbounded; the prefetch limits their number, as each command is an unacknowledged delivery.
    pub commands: mpsc::UnboundedReceiver<Reroute>,
}

/// Whether the header contains this order id.
pub fn has_order_id(properties: &Properties, order_id: &OrderId) -> bool {
    let header = properties.headers.get(ORDER_ID_HEADER);
    header.and_then(|value| value.as_text()) == Some(order_id.as_str())
}

pub fn set_order_id(properties: &mut Properties, order_id: &OrderId) {
    properties.headers.insert(ORDER_ID_HEADER.to_owned(), order_id.as_str().into());
}

impl Rerouter {
    /// Runs until the source has ended and all commands are published. The caller limits that time by
    /// dropping the future; the broker redelivers the rest.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match self.commands.recv().await {
                    Some(command) => waiting.push_back(command),
                    None => return,
                }
            }
            while let Ok(command) = self.commands.try_recv() {
                waiting.push_back(command);
            }
            let (round, later) = self.next_round(waiting);
            let kept = self.publish(round).await;
            if kept.is_empty() {
                backoff.reset();
            } else {
                sleep(backoff.next_wait()).await;
            }
            // Before later commands of the same orders.
            waiting = kept.into_iter().chain(later).collect();
        }
    }

    /// The first command of each order, and the others. Stale commands are dropped.
    fn next_round(&self, waiting: VecDeque<Reroute>) -> (Vec<Reroute>, VecDeque<Reroute>) {
        let (mut round, mut later) = (Vec::new(), VecDeque::new());
        let mut orders = HashSet::new();
        for command in waiting {
            if self.channel_epoch.is_stale(command.tag) {
                continue;
            }
            if orders.insert(command.order_id.clone()) && round.len() < MAX_TOGETHER {
                round.push(command);
            } else {
                later.push_back(command);
            }
        }
        (round, later)
    }

    /// Publishes commands of different orders; returns those that were not confirmed.
    async fn publish(&mut self, round: Vec<Reroute>) -> Vec<Reroute> {
        if round.is_empty() {
            return Vec::new();
        }
        let window: Vec<Publication> = round.iter().map(|command| command.copy.clone()).collect();
        let statuses = publish_window(&mut *self.publisher, &self.health, &window).await;
        let (mut acks, mut kept) = (Vec::with_capacity(round.len()), Vec::new());
        for (command, status) in round.into_iter().zip(statuses) {
            if status == PublishStatus::Confirmed {
                acks.push(Settlement::Ack(command.tag));
            } else {
                self.health.record_copy_failure(&command.copy.target, status);
                kept.push(command);
            }
        }
        // If the source has ended, the broker redelivers them: duplicates, which the inbox detects.
        let _ = self.settlements.send(acks);
        kept
    }
}
