//! What operators ask of a broker.

use lapin::Queue;
use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;

use super::connection::{ANSWER_TIMEOUT, RabbitError, close, open_channel, within};
use super::resource::Resource;
use super::{Finding, RabbitMq};

impl RabbitMq {
    /// Compares the broker with what should be there; changes nothing. Bindings cannot be seen by
    /// this protocol.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn check_topology(&self) -> Result<Vec<Finding>, RabbitError> {
        let connection = self.connect("checks").await?;
        let findings = self.topology.check(&connection, &self.version).await;
        close(&connection).await;
        findings
    }

    /// How many workers consume the commands queue, by the broker's own count.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such queue.
    pub async fn consumers(&self) -> Result<u32, RabbitError> {
        let mut consumers = 0;
        for queue in self.topology.command_queues() {
            consumers = consumers.max(self.look_at(&queue).await?.consumer_count());
        }
        Ok(consumers)
    }

    /// How many messages are in the dead letter queue.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such queue.
    pub async fn dead_letters_waiting(&self) -> Result<u32, RabbitError> {
        Ok(self.look_at(&self.topology.dead_letter_queue).await?.message_count())
    }

    async fn look_at(&self, queue: &str) -> Result<Queue, RabbitError> {
        let connection = self.connect("checks").await?;
        let channel = open_channel(&connection).await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let seen = channel.queue_declare(queue.into(), options, FieldTable::default());
        let seen = within(ANSWER_TIMEOUT, seen).await;
        close(&connection).await;
        seen
    }

    /// Deletes everything that the topology names, with all messages.
    ///
    /// # Errors
    /// When the broker does not answer or does not allow it.
    pub async fn delete_topology(&self) -> Result<(), RabbitError> {
        let connection = self.connect("deletes").await?;
        let channel = open_channel(&connection).await?;
        for part in self.topology.parts(&self.version) {
            match &part {
                Resource::Exchange { name, .. } => {
                    within(
                        ANSWER_TIMEOUT,
                        channel.exchange_delete(
                            name.as_ref().into(),
                            ExchangeDeleteOptions::default(),
                        ),
                    )
                    .await?;
                }
                Resource::Queue { name, .. } => {
                    within(
                        ANSWER_TIMEOUT,
                        channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()),
                    )
                    .await?;
                }
            }
        }
        close(&connection).await;
        Ok(())
    }
}
