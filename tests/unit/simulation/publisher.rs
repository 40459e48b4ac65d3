//! Publishing to the simulated broker.

use std::time::Duration;

use async_trait::async_trait;
use order_worker::messages::{Publication, PublishStatus, Target};
use order_worker::service_layer::{PublishError, Publisher};

use super::broker::Broker;
use super::chance::Chance;
use super::fault::Fault;
use super::ledger::Ledger;

const BLOCKED: Duration = Duration::from_secs(60);
const LATE: Duration = Duration::from_secs(5);
const FULL: Duration = Duration::from_secs(60);
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct SimulatedPublisher {
    pub broker: Broker,
    pub chance: Chance,
    pub ledger: Ledger,
    pub keeps_unroutable: bool,
}

#[async_trait]
impl Publisher for SimulatedPublisher {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        self.chance.delay_on(Fault::PublishingBlocked, BLOCKED).await;
        let cut =
            self.chance.fires(Fault::WindowTruncated).then(|| self.chance.below(window.len()));
        let mut statuses = Vec::with_capacity(window.len());
        for (place, publication) in window.iter().enumerate() {
            if cut == Some(place) {
                return Err(lost());
            }
            statuses.push(self.send(publication));
            self.chance.latency().await;
        }
        self.chance.delay_on(Fault::ConfirmsLate, LATE).await;
        if statuses.contains(&PublishStatus::Unconfirmed) {
            tokio::time::sleep(CONFIRM_TIMEOUT).await;
        }
        if self.chance.fires(Fault::ConfirmsLost) {
            return Err(lost());
        }
        for (publication, status) in window.iter().zip(&statuses) {
            self.ledger.publish_result(publication, *status, self.keeps_unroutable);
        }
        Ok(statuses)
    }
}

impl SimulatedPublisher {
    /// How the broker treats a message. A rejected one counts as sent: when it is queued later, behind
    /// newer ones, that is not the worker's fault.
    fn send(&self, publication: &Publication) -> PublishStatus {
        self.ledger.sends(publication);
        if self.is_full(&publication.target) || self.chance.fires(Fault::NackedAndDropped) {
            return PublishStatus::Refused;
        }
        let (no_queue, is_reply) = match publication.target {
            Target::Events { .. } => (Fault::EventUnroutable, false),
            Target::Queue { .. } => (Fault::EventUnroutable, true),
            Target::Commands { .. }
            | Target::Partition { .. }
            | Target::Retry { .. }
            | Target::DeadLetters { .. } => (Fault::CopyUnroutable, false),
        };
        if is_reply && self.chance.fires(Fault::ReplyUnconfirmed) {
            return PublishStatus::Unconfirmed;
        }
        if self.chance.fires(no_queue) {
            return PublishStatus::Unroutable;
        }
        self.broker.accept(publication);
        if self.chance.fires(Fault::NackedButQueued) {
            return PublishStatus::Refused;
        }
        PublishStatus::Confirmed
    }

    /// Whether the target is full; it may become full now.
    fn is_full(&self, target: &Target) -> bool {
        let (fault, name) = match target {
            Target::Events { routing_key } => (Fault::SubscriberFull, routing_key.as_str()),
            Target::DeadLetters { .. } => (Fault::DeadLettersFull, "dead letters"),
            Target::Commands { .. }
            | Target::Partition { .. }
            | Target::Retry { .. }
            | Target::Queue { .. } => return false,
        };
        if self.chance.fires(fault) {
            self.broker.fill(name, self.chance.wait(FULL));
        }
        self.broker.is_full(name)
    }
}

fn lost() -> PublishError {
    PublishError("simulated".to_owned())
}
