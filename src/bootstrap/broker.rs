//! The broker that the settings name.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Failure, server_url};
use crate::adapters::in_process::InProcessBroker;
use crate::adapters::rabbitmq::{RabbitError, RabbitMq, Topology};
use crate::config::Settings;
use crate::messages::ConsumedQueue;
use crate::metrics::Metrics;
use crate::service_layer::{
    Backoff, CommandSource, Health, IntakeBounds, Publisher, ServerUrl, sample_queues,
};

/// The broker of commands and events.
#[derive(Debug, Clone)]
pub enum Broker {
    RabbitMq(RabbitMq),
    InProcess(InProcessBroker),
}

/// The exchanges and queues that the settings name.
pub fn topology(settings: &Settings) -> Topology {
    Topology {
        commands_exchange: settings.commands_exchange.to_string(),
        commands_queue: settings.commands_queue.to_string(),
        events_exchange: settings.events_exchange.to_string(),
        dead_letter_exchange: settings.dead_letter_exchange.to_string(),
        dead_letter_queue: settings.dead_letter_queue.to_string(),
        retry_delays: settings.retry_delays(),
        delivery_limit: settings.delivery_limit,
        partitions: settings.partitions,
        ordered: settings.ordered,
    }
}

impl Broker {
    /// The broker that the settings name, by default an in-process one.
    ///
    /// # Errors
    /// When the settings are invalid.
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        Ok(match settings.broker_url()? {
            Some(url) => {
                let declare = settings.declare_topology;
                let rabbitmq = RabbitMq::new(url.expose(), topology(settings), declare)?;
                Self::RabbitMq(match settings.broker_url_file()? {
                    Some(file) => rabbitmq.at_current_url(server_url(file)),
                    None => rabbitmq,
                })
            }
            None => Self::in_process(settings.retry_delays()),
        })
    }

    /// Its URL that is read again before each connection, if it is in a file.
    pub fn current_url(&self) -> Option<&ServerUrl> {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.current_url(),
            Self::InProcess(_) => None,
        }
    }

    pub fn in_process(retry_delays: Vec<Duration>) -> Self {
        Self::InProcess(InProcessBroker::new(retry_delays))
    }

    /// Counts its connections in these metrics.
    pub fn counted_in(self, metrics: &Metrics) -> Self {
        match self {
            Self::RabbitMq(rabbitmq) => Self::RabbitMq(rabbitmq.counted_in(metrics.clone())),
            Self::InProcess(broker) => Self::InProcess(broker),
        }
    }

    /// Whether the broker blocks publishing, as far as this process knows.
    pub fn publishing_is_blocked(&self) -> bool {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.publishing_is_blocked(),
            Self::InProcess(_) => false,
        }
    }

    pub fn publisher(&self) -> Box<dyn Publisher> {
        match self {
            Self::RabbitMq(broker) => Box::new(broker.publisher()),
            Self::InProcess(broker) => Box::new(broker.publisher()),
        }
    }

    /// Whether the commands are spread over several queues.
    pub fn is_partitioned(&self) -> bool {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.is_partitioned(),
            Self::InProcess(_) => false,
        }
    }

    /// Samples the depth of the queues until `stop` is cancelled.
    pub async fn sample(self, metrics: Metrics, stop: CancellationToken) {
        match self {
            Self::RabbitMq(rabbitmq) => {
                sample_queues(rabbitmq.depths(), metrics, stop).await.close().await;
            }
            Self::InProcess(broker) => drop(sample_queues(broker, metrics, stop).await),
        }
    }

    /// Starts to consume; see [`CommandSource`].
    pub fn consume(
        &self,
        queue: ConsumedQueue,
        bounds: IntakeBounds,
        health: Health,
        stop: CancellationToken,
    ) -> (CommandSource, JoinHandle<()>) {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.consume(queue, bounds, health, stop),
            Self::InProcess(broker) => {
                // Consuming in process cannot fail.
                health.consumer_started(queue);
                match queue {
                    ConsumedQueue::Commands => broker.consume(bounds.prefetch, stop),
                    ConsumedQueue::DeadLetters => broker.consume_dead_letters(stop),
                }
            }
        }
    }

    /// The same broker with a separate publishing connection, for replies.
    pub fn for_replies(&self) -> Self {
        match self {
            Self::RabbitMq(rabbitmq) => Self::RabbitMq(rabbitmq.for_replies()),
            Self::InProcess(broker) => Self::InProcess(broker.clone()),
        }
    }

    /// Closes the shared publishing connection.
    pub async fn close(&self) {
        if let Self::RabbitMq(rabbitmq) = self {
            rabbitmq.close().await;
        }
    }

    /// Declares or checks the topology. Waits for the broker without limit.
    ///
    /// # Errors
    /// When an exchange or queue is missing, or exists with other arguments.
    pub async fn ready(&self, health: &Health) -> Result<(), Failure> {
        let Self::RabbitMq(rabbitmq) = self else { return Ok(()) };
        let mut backoff = Backoff::for_broker();
        loop {
            match rabbitmq.prepare().await {
                Err(RabbitError::Unavailable(reason) | RabbitError::FrameTooLarge(reason)) => {
                    health.consumer_failed(ConsumedQueue::Commands, &reason);
                    backoff.pause().await;
                }
                ready => return Ok(ready?),
            }
        }
    }
}
