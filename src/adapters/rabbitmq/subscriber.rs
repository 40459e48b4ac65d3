//! Listening to events, as any subscriber would.

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, Consumer};

use super::connection::{ANSWER_TIMEOUT, RabbitError, describe, open_channel, within};
use super::{RabbitMq, properties};
use crate::service_layer::Properties;

/// A message that a subscriber got.
#[derive(Debug, Clone)]
pub struct Received {
    pub routing_key: String,
    pub properties: Properties,
    pub body: Vec<u8>,
}

/// A queue of one's own on the events exchange; it and what it holds go with the connection.
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
    /// When the broker does not answer, or there is no events exchange.
    pub async fn subscribe(&self, patterns: &[String]) -> Result<Subscription, RabbitError> {
        let connection = self.connect("watches").await?;
        let channel = open_channel(&connection).await?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let declared = channel.queue_declare("".into(), options, FieldTable::default());
        let queue = within(ANSWER_TIMEOUT, declared).await?;
        for pattern in patterns {
            let bound = channel.queue_bind(
                queue.name().clone(),
                self.topology.events_exchange.as_str().into(),
                pattern.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            within(ANSWER_TIMEOUT, bound).await?;
        }
        // Nothing is lost that was not already: the queue is gone with this connection.
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consume =
            channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default());
        let consumer = within(ANSWER_TIMEOUT, consume).await?;
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
    /// When the connection broke: events may have been missed.
    pub async fn next(&mut self) -> Result<Received, RabbitError> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(Received {
                routing_key: delivery.routing_key.as_str().to_owned(),
                properties: properties::from_lapin(&delivery.properties),
                body: delivery.data,
            }),
            None => Err(RabbitError::Unavailable("the broker ended the subscription".to_owned())),
            Some(Err(error)) => Err(RabbitError::Unavailable(describe(&error))),
        }
    }
}
