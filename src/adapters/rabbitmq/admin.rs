//! Operations for the command line: check and delete the topology, count consumers and dead
//! letters.

use lapin::Connection;

use super::RabbitMq;
use super::connection::{close, open_channel};
use super::errors::RabbitError;
use super::queue_stats::queue_depths;
use crate::messages::QueueDepth;
use crate::service_layer::doctor::ResourceCheck;

impl RabbitMq {
    /// Compares the exchanges and queues on the broker with the topology; changes nothing. Bindings
    /// are not compared: AMQP cannot list them.
    ///
    /// # Errors
    /// When the broker is unavailable or refuses access.
    pub async fn check_topology(&self) -> Result<Vec<ResourceCheck>, RabbitError> {
        let mut connection = self.connect("checks").await?;
        let mut checks = Vec::new();
        for resource in self.topology.resources(&self.version) {
            if !connection.status().connected() {
                // As after the declaration of an exchange whose type is unknown, before RabbitMQ 4.
                connection = self.connect("checks").await?;
            }
            match resource.compare(&connection).await {
                Ok(status) => checks.push(ResourceCheck { resource: resource.to_string(), status }),
                Err(error) => {
                    close(&connection).await;
                    return Err(error);
                }
            }
        }
        close(&connection).await;
        Ok(checks)
    }

    /// The number of consumers of the commands queue.
    ///
    /// # Errors
    /// When the broker is unavailable or has no such queue.
    pub async fn consumers(&self) -> Result<u64, RabbitError> {
        let depths = self.depths_of(&self.topology.command_queues()).await?;
        Ok(depths.iter().map(|depth| depth.consumers).max().unwrap_or(0))
    }

    /// The number of ready messages in the dead letter queue.
    ///
    /// # Errors
    /// When the broker is unavailable or has no such queue.
    pub async fn dead_letters_waiting(&self) -> Result<u64, RabbitError> {
        let depths = self.depths_of(std::slice::from_ref(&self.topology.dead_letter_queue)).await?;
        Ok(depths.iter().map(|depth| depth.ready).sum())
    }

    async fn depths_of(&self, queues: &[String]) -> Result<Vec<QueueDepth>, RabbitError> {
        let connection = self.connect("checks").await?;
        let depths = queue_depths(&connection, queues).await;
        close(&connection).await;
        let existing = |(queue, depth): (&String, Option<QueueDepth>)| {
            depth.ok_or_else(|| RabbitError::does_not_exist(format!("queue {queue}")))
        };
        queues.iter().zip(depths?).map(existing).collect()
    }

    /// Deletes all exchanges and queues of the topology, with their messages.
    ///
    /// # Errors
    /// When the broker is unavailable or refuses access.
    pub async fn delete_topology(&self) -> Result<(), RabbitError> {
        let connection = self.connect("deletes").await?;
        let deleted = self.delete_resources(&connection).await;
        close(&connection).await;
        deleted
    }

    async fn delete_resources(&self, connection: &Connection) -> Result<(), RabbitError> {
        let channel = open_channel(connection).await?;
        for resource in self.topology.resources(&self.version) {
            resource.delete(&channel).await?;
        }
        Ok(())
    }
}
