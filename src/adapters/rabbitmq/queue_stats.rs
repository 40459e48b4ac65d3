//! Reads the depth of the queues with passive declarations.

use async_trait::async_trait;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection};

use super::RabbitMq;
use super::connection::{RPC_TIMEOUT, RabbitError, close, open_channel, within};
use crate::messages::{ConsumedQueue, QueueDepth};
use crate::service_layer::QueueDepths;

/// Keeps its own connection open: on one that publishes, the broker replies to nothing while it
/// blocks it.
#[derive(Debug)]
pub struct RabbitDepths {
    broker: RabbitMq,
    connection: Option<Connection>,
    channel: Option<Channel>,
}

impl RabbitMq {
    pub fn depths(&self) -> RabbitDepths {
        RabbitDepths { broker: self.clone(), connection: None, channel: None }
    }
}

impl RabbitDepths {
    async fn depth_of(&mut self, queue: &str) -> Result<QueueDepth, RabbitError> {
        let channel = self.take_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declare = channel.queue_declare(queue.into(), options, FieldTable::default());
        let declared = within(RPC_TIMEOUT, declare).await?;
        // Kept only on success: the broker closes the channel when the queue does not exist.
        self.channel = Some(channel);
        let (ready, consumers) =
            (declared.message_count().into(), declared.consumer_count().into());
        Ok(QueueDepth { ready, consumers })
    }

    async fn take_channel(&mut self) -> Result<Channel, RabbitError> {
        if let Some(channel) = self.channel.take().filter(|it| it.status().connected()) {
            return Ok(channel);
        }
        let connection = match self.connection.take().filter(|it| it.status().connected()) {
            Some(connection) => connection,
            None => self.broker.connect("samples").await?,
        };
        open_channel(self.connection.insert(connection)).await
    }

    /// Closes the connection with `connection.close`.
    pub async fn close(self) {
        if let Some(connection) = self.connection {
            close(&connection).await;
        }
    }
}

#[async_trait]
impl QueueDepths for RabbitDepths {
    async fn depth(&mut self, queue: ConsumedQueue) -> Option<QueueDepth> {
        let mut total = QueueDepth { ready: 0, consumers: 0 };
        for name in queue.queue_names(&self.broker.topology) {
            let depth = self.depth_of(&name).await.ok()?;
            total.ready += depth.ready;
            // Each worker consumes all partitions.
            total.consumers = total.consumers.max(depth.consumers);
        }
        Some(total)
    }
}
