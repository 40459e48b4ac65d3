//! Operations for the command line: check and delete the topology, count consumers and dead
//! letters.

use lapin::Queue;
use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;

use super::connection::{RPC_TIMEOUT, RabbitError, close, open_channel, within};
use super::resource::Resource;
use super::{RabbitMq, ResourceCheck};

impl RabbitMq {
    /// Compares the exchanges and queues on the broker with the topology; changes nothing. Bindings
    /// are not compared: AMQP cannot list them.
    ///
    /// # Errors
    /// When the broker is unavailable or refuses access.
    pub async fn check_topology(&self) -> Result<Vec<ResourceCheck>, RabbitError> {
        let connection = self.connect("checks").await?;
        let checks = self.topology.check(&connection, &self.version).await;
        close(&connection).await;
        checks
    }

    /// The number of consumers of the commands queue.
    ///
    /// # Errors
    /// When the broker is unavailable or has no such queue.
    pub async fn consumers(&self) -> Result<u32, RabbitError> {
        let mut consumers = 0;
        for queue in self.topology.command_queues() {
            consumers = consumers.max(self.declare_passively(&queue).await?.consumer_count());
        }
        Ok(consumers)
    }

    /// The number of ready messages in the dead letter queue.
    ///
    /// # Errors
    /// When the broker is unavailable or has no such queue.
    pub async fn dead_letters_waiting(&self) -> Result<u32, RabbitError> {
        Ok(self.declare_passively(&self.topology.dead_letter_queue).await?.message_count())
    }

    async fn declare_passively(&self, queue: &str) -> Result<Queue, RabbitError> {
        let connection = self.connect("checks").await?;
        let channel = open_channel(&connection).await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declare = channel.queue_declare(queue.into(), options, FieldTable::default());
        let declared = within(RPC_TIMEOUT, declare).await;
        close(&connection).await;
        declared
    }

    /// Deletes all exchanges and queues of the topology, with their messages.
    ///
    /// # Errors
    /// When the broker is unavailable or refuses access.
    pub async fn delete_topology(&self) -> Result<(), RabbitError> {
        let connection = self.connect("deletes").await?;
        let channel = open_channel(&connection).await?;
        for resource in self.topology.resources(&self.version) {
            match &resource {
                Resource::Exchange { name, .. } => {
                    within(
                        RPC_TIMEOUT,
                        channel.exchange_delete(
                            name.as_ref().into(),
                            ExchangeDeleteOptions::default(),
                        ),
                    )
                    .await?;
                }
                Resource::Queue { name, .. } => {
                    within(
                        RPC_TIMEOUT,
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
