//! Asks a broker what waits in its queues.

use async_trait::async_trait;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection};

use super::RabbitMq;
use super::connection::{ANSWER_TIMEOUT, RabbitError, close, open_channel, within};
use crate::service_layer::{ConsumedQueue, QueueDepth, QueueDepths};

/// Asks on a connection of its own, which is kept: one that publishes has no answers while the
/// broker blocks it.
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
    async fn ask(&mut self, queue: &str) -> Result<QueueDepth, RabbitError> {
        let channel = self.take_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let seen = channel.queue_declare(queue.into(), options, FieldTable::default());
        let seen = within(ANSWER_TIMEOUT, seen).await?;
        // Only now: the broker closes a channel over a queue that is not there.
        self.channel = Some(channel);
        let (ready, consumers) = (seen.message_count().into(), seen.consumer_count().into());
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

    /// Closes the connection in good order.
    pub async fn close(self) {
        if let Some(connection) = self.connection {
            close(&connection).await;
        }
    }
}

#[async_trait]
impl QueueDepths for RabbitDepths {
    async fn depth(&mut self, inflow: ConsumedQueue) -> Option<QueueDepth> {
        let mut total = QueueDepth { ready: 0, consumers: 0 };
        for queue in inflow.queues(&self.broker.topology) {
            let depth = self.ask(&queue).await.ok()?;
            total.ready += depth.ready;
            // Each worker consumes all partitions.
            total.consumers = total.consumers.max(depth.consumers);
        }
        Some(total)
    }
}
