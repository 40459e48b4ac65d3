//! Subscribes to events on a temporary queue, for `order-worker watch`.

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, Consumer};

use super::connection::open_channel;
use super::errors::{RPC_TIMEOUT, RabbitError, describe, within};
use super::{RabbitMq, properties};
use crate::messages::Properties;

/// A received event.
#[derive(Debug, Clone)]
pub struct Received {
    pub routing_key: String,
    pub properties: Properties,
    pub body: Vec<u8>,
}

/// An exclusive, auto-delete queue on the events exchange: it is deleted with the connection.
#[derive(Debug)]
pub struct Subscription {
    /// Keeps the connection open.
    _connection: Connection,
    queue: String,
    consumer: Consumer,
}

impl RabbitMq {
    /// Subscribes to the events whose routing keys match one of the patterns, such as
    /// `order.status.#`.
    ///
    /// # Errors
    /// When the broker is unavailable or has no events exchange.
    pub async fn subscribe(&self, patterns: &[String]) -> Result<Subscription, RabbitError> {
        let connection = self.connect("watches").await?;
        let channel = open_channel(&connection).await?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let declare = channel.queue_declare("".into(), options, FieldTable::default());
        let queue = within(RPC_TIMEOUT, declare).await?;
        for pattern in patterns {
            let bind = channel.queue_bind(
                queue.name().clone(),
                self.topology.events_exchange.as_str().into(),
                pattern.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            within(RPC_TIMEOUT, bind).await?;
        }
        // Without acknowledgements: the queue does not outlive this connection anyway.
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consume =
            channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default());
        let consumer = within(RPC_TIMEOUT, consume).await?;
        let queue = queue.name().as_str().to_owned();
        Ok(Subscription { _connection: connection, queue, consumer })
    }
}

impl Subscription {
    /// The name of the queue, which takes replies as well.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// The next event.
    ///
    /// # Errors
    /// When the connection is lost or the consumer cancelled: events may have been missed.
    pub async fn next(&mut self) -> Result<Received, RabbitError> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(Received {
                routing_key: delivery.routing_key.as_str().to_owned(),
                properties: properties::from_lapin(&delivery.properties),
                body: delivery.data,
            }),
            None => Err(RabbitError::Unavailable("the broker cancelled the consumer".to_owned())),
            Some(Err(error)) => Err(RabbitError::Unavailable(describe(&error))),
        }
    }
}
