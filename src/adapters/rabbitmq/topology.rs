//! The exchanges and queues of the worker, with the reason for each argument.

use std::time::Duration;

use lapin::Connection;
use lapin::types::{AMQPValue, FieldTable};

use super::connection::RabbitError;
use super::intake::BrokerVersion;
use super::resource::{Binding, Resource};

/// A delivery limit that no message reaches, and that all supported versions of RabbitMQ accept.
const UNREACHABLE_LIMIT: i64 = i32::MAX as i64;

/// The names of exchanges and queues, and the settings that are part of their declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    pub commands_exchange: String,
    pub commands_queue: String,
    pub events_exchange: String,
    pub dead_letter_exchange: String,
    pub dead_letter_queue: String,
    /// The delays before the first, second, … retry; each has its own queue, with this message TTL.
    pub retry_delays: Vec<Duration>,
    /// How often the broker redelivers a command before it dead-letters it: such a command may
    /// crash workers.
    pub delivery_limit: u32,
}

/// An exchange or queue on the broker, compared with the topology.
#[derive(Debug, Clone)]
pub struct ResourceCheck {
    /// Kind and name, such as `queue orders.commands`.
    pub resource: String,
    pub status: ResourceStatus,
}

/// How an exchange or queue on the broker compares with the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceStatus {
    Matches,
    Missing,
    /// It exists with other arguments; with the reply text of the broker.
    Differs(String),
}

impl Topology {
    /// The queue for retry `attempt`, from 1.
    pub fn retry_queue(&self, attempt: u32) -> String {
        format!("{}.retry.{attempt}", self.commands_queue)
    }

    /// Whether a queue belongs to the worker, including retry queues of earlier settings. A reply
    /// must not go there: it would be consumed as a command or a dead letter.
    pub fn is_own_queue(&self, name: &str) -> bool {
        name == self.commands_queue
            || name == self.dead_letter_queue
            || name
                .strip_prefix(self.commands_queue.as_str())
                .and_then(|rest| rest.strip_prefix(".retry."))
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    pub(super) fn resources(&self, version: &BrokerVersion) -> Vec<Resource<'_>> {
        let mut resources = vec![
            Resource::Exchange { name: &self.commands_exchange },
            Resource::Exchange { name: &self.events_exchange },
            Resource::Exchange { name: &self.dead_letter_exchange },
            self.dead_letter_queue(version),
            self.commands_queue(),
        ];
        let delays = (1..).zip(&self.retry_delays);
        resources.extend(delays.map(|(attempt, &delay)| self.delay_queue(attempt, delay)));
        resources
    }

    /// A quorum queue: replicated, and written to disk before the confirm. A message that exceeds
    /// the delivery limit is dead-lettered at-least-once, so that it cannot get lost on the way;
    /// that strategy requires the overflow behaviour reject-publish.
    fn commands_queue(&self) -> Resource<'_> {
        Resource::Queue {
            name: self.commands_queue.clone(),
            arguments: table([
                ("x-queue-type", text("quorum")),
                ("x-dead-letter-exchange", text(&self.dead_letter_exchange)),
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-overflow", text("reject-publish")),
                ("x-delivery-limit", AMQPValue::LongLongInt(self.delivery_limit.into())),
            ]),
            also_accepted: Vec::new(),
            binding: Some(Binding { exchange: &self.commands_exchange, routing_key: "order.#" }),
        }
    }

    /// Has a delivery limit that is never reached: since RabbitMQ 4.0, quorum queues drop a message
    /// after 20 deliveries by default, and dead letters may be delivered more often.
    ///
    /// Earlier releases of the worker declared a limit of -1. Since 4.0 that means no limit and is
    /// accepted here; RabbitMQ 3 drops each message on its second delivery, so there the queue
    /// counts as different.
    fn dead_letter_queue(&self, version: &BrokerVersion) -> Resource<'_> {
        let arguments = |limit: i64| {
            table([
                ("x-queue-type", text("quorum")),
                ("x-delivery-limit", AMQPValue::LongLongInt(limit)),
            ])
        };
        let mut also_accepted = vec![table([("x-queue-type", text("quorum"))])];
        if version.is_at_least(4) {
            also_accepted.push(arguments(-1));
        }
        Resource::Queue {
            name: self.dead_letter_queue.clone(),
            arguments: arguments(UNREACHABLE_LIMIT),
            also_accepted,
            binding: Some(Binding { exchange: &self.dead_letter_exchange, routing_key: "#" }),
        }
    }

    /// A queue without consumers: after the TTL, its messages are dead-lettered back to the
    /// commands queue. Through the default exchange, so that no other queue bound to the commands
    /// exchange gets a copy.
    fn delay_queue(&self, attempt: u32, delay: Duration) -> Resource<'_> {
        let milliseconds = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        Resource::Queue {
            name: self.retry_queue(attempt),
            arguments: table([
                ("x-queue-type", text("quorum")),
                ("x-message-ttl", AMQPValue::LongLongInt(milliseconds)),
                ("x-dead-letter-exchange", text("")),
                ("x-dead-letter-routing-key", text(&self.commands_queue)),
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-overflow", text("reject-publish")),
            ]),
            also_accepted: Vec::new(),
            binding: None,
        }
    }

    /// Declares all exchanges, queues and bindings. Declaring an existing one with the same
    /// arguments has no effect.
    pub(super) async fn declare(
        &self,
        connection: &Connection,
        version: &BrokerVersion,
    ) -> Result<(), RabbitError> {
        for resource in self.resources(version) {
            resource.declare(connection).await?;
        }
        Ok(())
    }

    /// Verifies that all exchanges and queues exist, without the permission to declare them.
    pub(super) async fn verify(
        &self,
        connection: &Connection,
        version: &BrokerVersion,
    ) -> Result<(), RabbitError> {
        for resource in self.resources(version) {
            if resource.verify(connection).await? == ResourceStatus::Missing {
                return Err(RabbitError::Topology {
                    resource: resource.to_string(),
                    difference: "does not exist".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Compares all exchanges and queues on the broker with the topology; changes nothing.
    pub(super) async fn check(
        &self,
        connection: &Connection,
        version: &BrokerVersion,
    ) -> Result<Vec<ResourceCheck>, RabbitError> {
        let mut checks = Vec::new();
        for resource in self.resources(version) {
            let mut status = resource.verify(connection).await?;
            if status == ResourceStatus::Matches {
                // It exists, so declaring it creates nothing: the broker only compares the
                // arguments.
                status = match resource.declare_unbound(connection).await {
                    Ok(()) => ResourceStatus::Matches,
                    Err(RabbitError::Topology { difference, .. }) => {
                        ResourceStatus::Differs(difference)
                    }
                    Err(error) => return Err(error),
                };
            }
            checks.push(ResourceCheck { resource: resource.to_string(), status });
        }
        Ok(checks)
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.as_bytes().into())
}

fn table<const N: usize>(arguments: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(name.into(), value);
    }
    table
}
