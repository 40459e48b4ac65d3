//! Gathers facts about the broker for the [doctor](crate::service_layer::doctor). Each part uses its
//! own connection, because the broker closes a connection or channel when it refuses something.

use async_trait::async_trait;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ExchangeKind};

use super::RabbitMq;
use super::connection::{close, close_channel, open_channel};
use super::errors::{RPC_TIMEOUT, RabbitError, within};
use super::queue_stats::queue_depths;
use super::resource::{HASH_EXCHANGE, is_unknown_exchange_type};
use crate::messages::QueueDepth;
use crate::service_layer::doctor::{
    BrokerFacts, BrokerProbe, Permission, PermissionCheck, QueueRole, QueueState,
};

/// A routing key of the worker's events, for topic permissions.
const EVENT_ROUTING_KEY: &str = "order.status.received";

/// What a running worker does, and needs a permission for.
#[derive(Debug)]
enum Access {
    Publish { exchange: String, routing_key: &'static str },
    Consume { queue: String },
}

/// How often to try an access. When the broker closes the channel, lapin knows the reason only if the
/// close arrives while a method waits for its reply.
const MAX_ATTEMPTS: usize = 20;

/// Examines the broker on which a worker runs.
#[derive(Debug)]
pub struct RabbitProbe {
    broker: RabbitMq,
    /// Whether workers read the dead-letter queue.
    collects_dead_letters: bool,
}

impl RabbitMq {
    pub fn probe(self, collects_dead_letters: bool) -> RabbitProbe {
        RabbitProbe { broker: self, collects_dead_letters }
    }

    /// The queues of the topology, with what waits in them.
    ///
    /// # Errors
    /// When the broker is unavailable or refuses access.
    pub async fn queues(&self) -> Result<Vec<QueueState>, RabbitError> {
        let topology = &self.topology;
        let attempts = (1..).zip(&topology.retry_delays);
        let retries = attempts.map(|(attempt, _)| topology.retry_queue(attempt));
        let commands = topology.command_queues().into_iter();
        let queues: Vec<_> = commands
            .map(|name| (QueueRole::Commands, name))
            .chain(retries.map(|name| (QueueRole::Retries, name)))
            .chain([(QueueRole::DeadLetters, topology.dead_letter_queue.clone())])
            .collect();
        let names: Vec<_> = queues.iter().map(|(_, name)| name.clone()).collect();
        let connection = self.connect("checks").await?;
        let depths = queue_depths(&connection, &names).await;
        close(&connection).await;
        let state = |((role, name), depth): ((QueueRole, String), Option<QueueDepth>)| QueueState {
            role,
            name,
            depth,
        };
        Ok(queues.into_iter().zip(depths?).map(state).collect())
    }
}

#[async_trait]
impl BrokerProbe for RabbitProbe {
    async fn facts(&self) -> Result<BrokerFacts, String> {
        let connection = self.broker.connect("checks").await.map_err(|error| error.to_string())?;
        let is_unpartitioned = self.broker.topology.is_unpartitioned(&connection).await;
        close(&connection).await;
        let (has_hash_exchange, topology, queues, permissions) = tokio::join!(
            self.has_hash_exchange(),
            self.broker.check_topology(),
            self.broker.queues(),
            self.permissions()
        );
        let text = |error: RabbitError| error.to_string();
        let (permissions, blocks_publishing) =
            permissions.unwrap_or_else(|error| (Err(error), false));
        Ok(BrokerFacts {
            version: self.broker.version.text(),
            has_hash_exchange: has_hash_exchange.map_err(text),
            // If it cannot be found out, the comparison of the topology fails as well.
            is_unpartitioned: is_unpartitioned.unwrap_or(false),
            topology: topology.map_err(text),
            queues: queues.map_err(text),
            permissions: permissions.map_err(text),
            blocks_publishing,
        })
    }
}

impl RabbitProbe {
    /// Whether the plugin is enabled. The broker looks up the type of an exchange before it refuses to
    /// declare the default exchange.
    async fn has_hash_exchange(&self) -> Result<bool, RabbitError> {
        let connection = self.broker.connect("checks").await?;
        let channel = open_channel(&connection).await?;
        let kind = ExchangeKind::Custom(HASH_EXCHANGE.to_owned());
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declare = channel.exchange_declare("".into(), kind, options, FieldTable::default());
        let declared = within(RPC_TIMEOUT, declare).await;
        close(&connection).await;
        match declared {
            Err(RabbitError::Unavailable(text)) if is_unknown_exchange_type(&text) => Ok(false),
            Err(error) if error.is_access_refused() => Ok(true),
            Err(error) => Err(error),
            Ok(()) => Ok(true),
        }
    }

    /// The permissions, and whether a memory or disk alarm blocks publishing. The broker says so only on
    /// a connection that publishes, and then reads nothing more from it.
    async fn permissions(
        &self,
    ) -> Result<(Result<Vec<PermissionCheck>, RabbitError>, bool), RabbitError> {
        let mut connection = self.broker.connect("checks").await?;
        let checks = self.check_permissions(&mut connection).await;
        let is_blocked = connection.status().blocked();
        close(&connection).await;
        Ok((checks, is_blocked))
    }

    /// Tries until the broker accepts it or gives a reason.
    async fn try_access(
        &self,
        connection: &mut Connection,
        access: &Access,
    ) -> Result<(), RabbitError> {
        let mut attempts = 1;
        loop {
            let result = match access {
                Access::Publish { exchange, routing_key } => {
                    try_publish(connection, exchange, routing_key).await
                }
                Access::Consume { queue } => try_consume(connection, queue).await,
            };
            let Err(error) = &result else { return result };
            if connection.status().blocked() {
                return result;
            }
            // A channel of the old connection may still have the error.
            close(connection).await;
            *connection = self.broker.connect("checks").await?;
            if attempts == MAX_ATTEMPTS || !is_without_reason(error) {
                return result;
            }
            attempts += 1;
        }
    }

    async fn check_permissions(
        &self,
        connection: &mut Connection,
    ) -> Result<Vec<PermissionCheck>, RabbitError> {
        let topology = &self.broker.topology;
        let publish = |exchange: &str, routing_key| Access::Publish {
            exchange: exchange.to_owned(),
            routing_key,
        };
        let mut accesses = vec![
            publish(&topology.events_exchange, EVENT_ROUTING_KEY),
            publish(&topology.dead_letter_exchange, ""),
            // The default exchange, for retries and replies.
            publish("", ""),
        ];
        if topology.is_partitioned() {
            accesses.push(publish(&topology.partition_exchange(), ""));
        }
        let mut queues = topology.command_queues();
        queues.extend(self.collects_dead_letters.then(|| topology.dead_letter_queue.clone()));
        accesses.extend(queues.into_iter().map(|queue| Access::Consume { queue }));
        let mut checks = Vec::new();
        for access in accesses {
            let result = self.try_access(connection, &access).await;
            checks.extend(check(&access, result)?);
        }
        Ok(checks)
    }
}

/// Whether the channel was closed before lapin could report why.
fn is_without_reason(error: &RabbitError) -> bool {
    error.to_string().contains("invalid channel")
}

/// Nothing for an exchange or queue that does not exist: the topology shows that.
fn check(
    access: &Access,
    result: Result<(), RabbitError>,
) -> Result<Option<PermissionCheck>, RabbitError> {
    let refused = match result {
        Ok(()) => None,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) if error.is_access_refused() => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    let (permission, resource) = match access {
        Access::Publish { exchange, .. } if exchange.is_empty() => {
            (Permission::Write, "exchange amq.default".to_owned())
        }
        Access::Publish { exchange, .. } => (Permission::Write, format!("exchange {exchange}")),
        Access::Consume { queue } => (Permission::Read, format!("queue {queue}")),
    };
    Ok(Some(PermissionCheck { permission, resource, refused }))
}

/// Publishes in a transaction that is rolled back: the broker checks the permission, but routes
/// nothing.
async fn try_publish(
    connection: &Connection,
    exchange: &str,
    routing_key: &str,
) -> Result<(), RabbitError> {
    let channel = open_channel(connection).await?;
    within(RPC_TIMEOUT, channel.tx_select()).await?;
    let published = channel.basic_publish(
        exchange.into(),
        routing_key.into(),
        BasicPublishOptions::default(),
        b"",
        BasicProperties::default(),
    );
    within(RPC_TIMEOUT, published).await.map(drop)?;
    let rolled_back = within(RPC_TIMEOUT, channel.tx_rollback()).await;
    close_channel(&channel).await;
    rolled_back
}

/// Consumes with an argument that is invalid. The broker checks the permission first, then refuses the
/// argument, so no consumer comes into being.
async fn try_consume(connection: &Connection, queue: &str) -> Result<(), RabbitError> {
    let channel = open_channel(connection).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority".into(), AMQPValue::LongString("not a number".into()));
    let consume =
        channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), arguments);
    let consumed = within(RPC_TIMEOUT, consume).await.map(drop);
    close_channel(&channel).await;
    match consumed {
        Err(RabbitError::Unavailable(text)) if text.contains("invalid arg") => Ok(()),
        consumed => consumed,
    }
}
