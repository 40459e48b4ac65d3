//! Reads the depth of queues with passive declarations.

use async_trait::async_trait;
use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use super::RabbitMq;
use super::connection::{close, close_channel, open_channel};
use super::errors::{RPC_TIMEOUT, RabbitError, within};
use crate::messages::{ConsumedQueue, QueueDepth};
use crate::service_layer::QueueDepths;

/// The depths of queues, in the order of their names; `None` for a queue that does not exist.
///
/// The messages are those that are ready: neither unacknowledged ones nor, in a retry queue, expired
/// ones that cannot be dead-lettered. Of a queue with a single active consumer, RabbitMQ counts the
/// active one.
pub(super) async fn queue_depths(
    connection: &Connection,
    queues: &[String],
) -> Result<Vec<Option<QueueDepth>>, RabbitError> {
    let mut depths = Vec::with_capacity(queues.len());
    let mut channel = open_channel(connection).await?;
    for queue in queues {
        if !channel.status().connected() {
            channel = open_channel(connection).await?;
        }
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declare = channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
        depths.push(match within(RPC_TIMEOUT, declare).await {
            Ok(declared) => Some(QueueDepth {
                ready: declared.message_count().into(),
                consumers: declared.consumer_count().into(),
            }),
            // The broker has closed the channel.
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        });
    }
    close_channel(&channel).await;
    Ok(depths)
}

/// Keeps its own connection open: on one that publishes, the broker replies to nothing while it
/// blocks it.
#[derive(Debug)]
pub struct RabbitDepths {
    broker: RabbitMq,
    connection: Option<Connection>,
}

impl RabbitMq {
    pub fn depths(&self) -> RabbitDepths {
        RabbitDepths { broker: self.clone(), connection: None }
    }
}

impl RabbitDepths {
    async fn connection(&mut self) -> Result<&Connection, RabbitError> {
        let connection = match self.connection.take().filter(|it| it.status().connected()) {
            Some(connection) => connection,
            None => self.broker.connect("samples").await?,
        };
        Ok(self.connection.insert(connection))
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
    async fn depths(&mut self, queue: ConsumedQueue) -> Option<Vec<QueueDepth>> {
        let queues = queue.queue_names(&self.broker.topology);
        let connection = self.connection().await.ok()?;
        queue_depths(connection, &queues).await.ok()?.into_iter().collect()
    }
}
