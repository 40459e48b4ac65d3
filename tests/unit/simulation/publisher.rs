//! Publishing to the simulated broker.

use std::time::Duration;

use order_worker::service_layer::{Confirmation, Publication, PublishError, Publisher, Target};

use super::broker::Broker;
use super::chance::Chance;
use super::fault::Fault;
use super::ledger::Ledger;

const BLOCKED: Duration = Duration::from_secs(60);
const LATE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct SimulatedPublisher {
    pub broker: Broker,
    pub chance: Chance,
    pub ledger: Ledger,
    pub keeps_unroutable: bool,
}

impl Publisher for SimulatedPublisher {
    async fn publish(&mut self, window: &[Publication]) -> Result<Vec<Confirmation>, PublishError> {
        self.chance.dawdle(Fault::PublishingBlocked, BLOCKED).await;
        let cut = self.chance.fires(Fault::WindowCut).then(|| self.chance.below(window.len()));
        let mut confirmations = Vec::with_capacity(window.len());
        for (place, publication) in window.iter().enumerate() {
            if cut == Some(place) {
                return Err(lost());
            }
            confirmations.push(self.send(publication));
            self.chance.latency().await;
        }
        self.chance.dawdle(Fault::ConfirmsLate, LATE).await;
        if self.chance.fires(Fault::ConfirmsLost) {
            return Err(lost());
        }
        for (publication, confirmation) in window.iter().zip(&confirmations) {
            self.ledger.answers(publication, *confirmation, self.keeps_unroutable);
        }
        Ok(confirmations)
    }
}

impl SimulatedPublisher {
    /// What the broker does with a message when it arrives. One that it refuses was sent all the
    /// same: that it comes later, behind newer ones, is the broker's doing.
    fn send(&self, publication: &Publication) -> Confirmation {
        self.ledger.sends(publication);
        if self.chance.fires(Fault::RefusedUntaken) {
            return Confirmation::Refused;
        }
        let no_queue = match publication.target {
            Target::Events { .. } | Target::Queue { .. } => Fault::EventUnroutable,
            Target::Commands { .. } | Target::Retry { .. } | Target::DeadLetters { .. } => {
                Fault::CopyUnroutable
            }
        };
        if self.chance.fires(no_queue) {
            return Confirmation::Unroutable;
        }
        self.broker.take(publication);
        if self.chance.fires(Fault::RefusedTaken) {
            return Confirmation::Refused;
        }
        Confirmation::Confirmed
    }
}

fn lost() -> PublishError {
    PublishError("simulated".to_owned())
}
