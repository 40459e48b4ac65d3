//! Republishes commands with the header that assigns them to a partition.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Backoff;
use super::copy_publisher::{CommandCopy, CopyPublisher, MAX_COPIES_TOGETHER};
use crate::domain::OrderId;
use crate::messages::Properties;

/// The header with the order id of a command, which determines its partition.
pub const ORDER_ID_HEADER: &str = "order-id";

/// The copy of a command that was published without the header, or with the id of another order. It
/// has the right header and goes to [`Target::Partition`](crate::messages::Target::Partition).
pub type Reroute = CommandCopy<OrderId>;

/// Publishes these commands to their partitions and acknowledges each when its copy is confirmed.
///
/// All messages without the header arrive in one partition, in the order in which they were
/// published. To preserve this order, only one command per order is published at a time.
#[derive(Debug)]
pub struct Rerouter {
    pub publisher: CopyPublisher,
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
            let (_, kept) = self.publisher.publish(round).await;
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
            if self.publisher.is_stale(&command) {
                continue;
            }
            if orders.insert(command.details.clone()) && round.len() < MAX_COPIES_TOGETHER {
                round.push(command);
            } else {
                later.push_back(command);
            }
        }
        (round, later)
    }
}
