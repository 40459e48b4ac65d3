//! Publishing to the simulated broker.

use std::time::Duration;

use async_trait::async_trait;
use order_worker::service_layer::{Publication, PublishError, PublishStatus, Publisher, Target};

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
        self.chance.dawdle(Fault::PublishingBlocked, BLOCKED).await;
        let cut = self.chance.fires(Fault::WindowCut).then(|| self.chance.below(window.len()));
        let mut statuses = Vec::with_capacity(window.len());
        for (place, publication) in window.iter().enumerate() {
            if cut == Some(place) {
                return Err(lost());
            }
            statuses.push(self.send(publication));
            self.chance.latency().await;
        }
        self.chance.dawdle(Fault::ConfirmsLate, LATE).await;
        if statuses.contains(&PublishStatus::Unconfirmed) {
            tokio::time::sleep(CONFIRM_TIMEOUT).await;
        }
        if self.chance.fires(Fault::ConfirmsLost) {
            return Err(lost());
        }
        for (publication, status) in window.iter().zip(&statuses) {
            self.ledger.answers(publication, *status, self.keeps_unroutable);
        }
        Ok(statuses)
    }
}

impl SimulatedPublisher {
    /// What the broker does with a message when it arrives. One that it refuses was sent all the
    /// same: that it comes later, behind newer ones, is the broker's doing.
    fn send(&self, publication: &Publication) -> PublishStatus {
        self.ledger.sends(publication);
        if self.is_full(&publication.target) || self.chance.fires(Fault::RefusedUntaken) {
            return PublishStatus::Refused;
        }
        let (no_queue, is_reply) = match publication.target {
            Target::Events { .. } => (Fault::EventUnroutable, false),
            Target::Queue { .. } => (Fault::EventUnroutable, true),
            Target::Commands { .. } | Target::Retry { .. } | Target::DeadLetters { .. } => {
                (Fault::CopyUnroutable, false)
            }
        };
        if is_reply && self.chance.fires(Fault::ReplyUnconfirmed) {
            return PublishStatus::Unconfirmed;
        }
        if self.chance.fires(no_queue) {
            return PublishStatus::Unroutable;
        }
        self.broker.take(publication);
        if self.chance.fires(Fault::RefusedTaken) {
            return PublishStatus::Refused;
        }
        PublishStatus::Confirmed
    }

    /// Whether the target has been full for a while, or is from now on.
    fn is_full(&self, target: &Target) -> bool {
        let (fault, name) = match target {
            Target::Events { routing_key } => (Fault::SubscriberFull, routing_key.as_str()),
            Target::DeadLetters { .. } => (Fault::DeadLettersFull, "dead letters"),
            Target::Commands { .. } | Target::Retry { .. } | Target::Queue { .. } => return false,
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
