//! Publishes to the in-process broker.

use async_trait::async_trait;

use super::{InProcessBroker, Submitted};
use crate::messages::{Publication, PublishStatus, Target};
use crate::service_layer::{PublishError, Publisher};

/// Publishes to an [`InProcessBroker`].
#[derive(Debug, Clone)]
pub struct InProcessPublisher {
    broker: InProcessBroker,
}

impl InProcessPublisher {
    pub(super) fn new(broker: InProcessBroker) -> Self {
        Self { broker }
    }

    fn publish_one(&self, publication: &Publication) -> PublishStatus {
        let submitted = |routing_key: &str| Submitted {
            routing_key: routing_key.to_owned(),
            properties: publication.properties.clone(),
            body: publication.body.clone(),
        };
        match &publication.target {
            Target::Commands { routing_key } | Target::Partition { routing_key } => {
                self.broker.submit(submitted(routing_key));
            }
            Target::Retry { attempt } => self.broker.submit_later(*attempt, submitted("")),
            Target::DeadLetters { .. } => self.broker.add_dead_letter(publication.clone()),
            Target::Queue { name } => {
                if !self.broker.reply(name, publication) {
                    return PublishStatus::Unroutable;
                }
            }
            Target::Events { .. } => {
                if !self.broker.send_to_subscribers(publication) {
                    return PublishStatus::Unroutable;
                }
            }
        }
        PublishStatus::Confirmed
    }
}

#[async_trait]
impl Publisher for InProcessPublisher {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        Ok(window.iter().map(|publication| self.publish_one(publication)).collect())
    }
}
