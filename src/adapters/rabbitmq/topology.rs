//! The exchanges and queues of the worker, with the reason for each argument.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ExchangeKind};

use super::errors::RabbitError;
use super::intake::BrokerVersion;
use super::resource::{Binding, HASH_EXCHANGE, Resource};
use crate::service_layer::ORDER_ID_HEADER;
use crate::service_layer::doctor::ResourceStatus;

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
    /// The number of queues over which the commands are spread by their order id, at least 1.
    pub partitions: u16,
    /// Whether each of these queues has a single active consumer.
    pub ordered: bool,
}

impl Topology {
    /// The queues of commands, one for each partition. Their names contain the number of partitions,
    /// so that the queues of two numbers can exist at the same time while a repartition empties the
    /// old ones.
    pub fn command_queues(&self) -> Vec<String> {
        match self.partitions {
            0 | 1 => vec![self.commands_queue.clone()],
            n => (0..n)
                .map(|partition| format!("{}.{partition}of{n}", self.commands_queue))
                .collect(),
        }
    }

    pub fn is_partitioned(&self) -> bool {
        self.partitions > 1
    }

    /// The exchange that spreads commands over the partitions, by a hash of [`ORDER_ID_HEADER`].
    pub(super) fn partition_exchange(&self) -> String {
        format!("{}.of{}", self.commands_queue, self.partitions)
    }

    /// An empty queue whose length limit is the number of partitions: the broker refuses the
    /// declaration of a worker with another number.
    pub(super) fn partitions_marker(&self) -> String {
        format!("{}.partitions", self.commands_queue)
    }

    /// The queue for retry `attempt`, from 1.
    pub fn retry_queue(&self, attempt: u32) -> String {
        if self.is_partitioned() {
            format!("{}.retry.{attempt}", self.partition_exchange())
        } else {
            format!("{}.retry.{attempt}", self.commands_queue)
        }
    }

    /// Whether a queue belongs to the worker, including the queues of other settings. A reply must not
    /// go there: it would be consumed as a command or a dead letter.
    pub fn is_own_queue(&self, name: &str) -> bool {
        if name == self.commands_queue || name == self.dead_letter_queue {
            return true;
        }
        let number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let suffix = name.strip_prefix(self.commands_queue.as_str());
        let Some(suffix) = suffix.and_then(|suffix| suffix.strip_prefix('.')) else { return false };
        match suffix.split('.').collect::<Vec<_>>()[..] {
            ["partitions"] => true,
            ["retry", attempt] => number(attempt),
            [partition] => partition.split_once("of").is_some_and(|(p, n)| number(p) && number(n)),
            [set, "retry", attempt] => {
                set.strip_prefix("of").is_some_and(number) && number(attempt)
            }
            _ => false,
        }
    }

    pub(super) fn resources(&self, version: &BrokerVersion) -> Vec<Resource<'_>> {
        let mut resources = vec![
            Resource::topic(&self.commands_exchange),
            Resource::topic(&self.events_exchange),
            Resource::topic(&self.dead_letter_exchange),
            self.dead_letter_queue(version),
            self.marker(),
        ];
        resources.extend(self.partition_resources());
        resources
    }

    /// The queues of commands and retries, and what spreads commands over them: what a repartition
    /// replaces.
    pub(super) fn partition_resources(&self) -> Vec<Resource<'_>> {
        let mut resources = Vec::new();
        if self.is_partitioned() {
            resources.push(self.hash_exchange());
        }
        let queues = self.command_queues();
        resources.extend(queues.into_iter().map(|queue| self.commands_queue(queue)));
        let delays = (1..).zip(&self.retry_delays);
        resources.extend(delays.map(|(attempt, &delay)| self.delay_queue(attempt, delay)));
        resources
    }

    /// A quorum queue, although nothing is ever in it: a classic queue cannot be declared while the one
    /// node that has it is down, so no worker could connect to the rest of the cluster. Earlier
    /// development versions declared a classic one.
    pub(super) fn marker(&self) -> Resource<'_> {
        let arguments = |queue_type| {
            table([
                ("x-queue-type", text(queue_type)),
                ("x-max-length", AMQPValue::LongLongInt(self.partitions.into())),
            ])
        };
        Resource::Queue {
            name: self.partitions_marker(),
            arguments: arguments("quorum"),
            also_accepted: vec![arguments("classic")],
            binding: None,
        }
    }

    fn hash_exchange(&self) -> Resource<'_> {
        Resource::Exchange {
            name: self.partition_exchange().into(),
            kind: ExchangeKind::Custom(HASH_EXCHANGE.to_owned()),
            arguments: table([("hash-header", text(ORDER_ID_HEADER))]),
            binding: Some(self.commands_binding()),
        }
    }

    fn commands_binding(&self) -> Binding<'_> {
        Binding { exchange: self.commands_exchange.as_str().into(), routing_key: "order.#" }
    }

    /// A quorum queue: replicated, and written to disk before the confirm. A message that exceeds
    /// the delivery limit is dead-lettered at-least-once, so that it cannot get lost on the way;
    /// that strategy requires the overflow behaviour reject-publish.
    fn commands_queue(&self, name: String) -> Resource<'_> {
        let mut arguments = table([
            ("x-queue-type", text("quorum")),
            ("x-dead-letter-exchange", text(&self.dead_letter_exchange)),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-delivery-limit", AMQPValue::LongLongInt(self.delivery_limit.into())),
        ]);
        if self.ordered {
            arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        }
        let binding = if self.is_partitioned() {
            // The routing key is the weight in the hash ring.
            Binding { exchange: self.partition_exchange().into(), routing_key: "1" }
        } else {
            self.commands_binding()
        };
        Resource::Queue { name, arguments, also_accepted: Vec::new(), binding: Some(binding) }
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
            binding: Some(Binding {
                exchange: self.dead_letter_exchange.as_str().into(),
                routing_key: "#",
            }),
        }
    }

    /// A queue without consumers: after the TTL, its messages are dead-lettered back to the commands
    /// queue, or by their order id to their partition. Past the commands exchange, so that no other
    /// queue bound to it gets a copy.
    fn delay_queue(&self, attempt: u32, delay: Duration) -> Resource<'_> {
        let milliseconds = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        let back_to = if self.is_partitioned() { self.partition_exchange() } else { String::new() };
        Resource::Queue {
            name: self.retry_queue(attempt),
            arguments: table([
                ("x-queue-type", text("quorum")),
                ("x-message-ttl", AMQPValue::LongLongInt(milliseconds)),
                ("x-dead-letter-exchange", text(&back_to)),
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
        self.ensure_not_unpartitioned(connection).await?;
        let resources = self.resources(version);
        declare_all(&resources, connection).await
    }

    /// A queue from before the commands were partitioned would go on getting all commands.
    async fn ensure_not_unpartitioned(&self, connection: &Connection) -> Result<(), RabbitError> {
        if !self.is_unpartitioned(connection).await? {
            return Ok(());
        }
        Err(RabbitError::Topology {
            resource: format!("queue {}", self.commands_queue),
            difference: format!(
                "exists, so the commands are not partitioned yet: run `order-worker topology repartition {}`",
                self.partitions
            ),
        })
    }

    /// Whether there is the queue of a single partition, and nothing says that it has been replaced.
    pub(super) async fn is_unpartitioned(
        &self,
        connection: &Connection,
    ) -> Result<bool, RabbitError> {
        if !self.is_partitioned()
            || self.marker().verify(connection).await? == ResourceStatus::Matches
        {
            return Ok(false);
        }
        let unpartitioned = self.commands_queue(self.commands_queue.clone());
        Ok(unpartitioned.verify(connection).await? == ResourceStatus::Matches)
    }

    /// Verifies that all exchanges and queues exist, without the permission to declare them. Returns
    /// those that the user lacks the permission to see.
    pub(super) async fn verify(
        &self,
        connection: &Connection,
        version: &BrokerVersion,
    ) -> Result<Vec<String>, RabbitError> {
        let marker = self.partitions_marker();
        let mut not_permitted = Vec::new();
        for resource in self.resources(version) {
            // Earlier releases had none.
            if !self.is_partitioned() && resource.name() == marker {
                continue;
            }
            match resource.verify(connection).await? {
                ResourceStatus::Matches | ResourceStatus::Differs(_) => {}
                ResourceStatus::AccessRefused(_) => not_permitted.push(resource.to_string()),
                ResourceStatus::Missing => {
                    return Err(RabbitError::does_not_exist(resource.to_string()));
                }
            }
        }
        Ok(not_permitted)
    }
}

/// Declares all, then binds them, the last first: no message comes to an exchange before the queues
/// behind it are bound.
pub(super) async fn declare_all(
    resources: &[Resource<'_>],
    connection: &Connection,
) -> Result<(), RabbitError> {
    for resource in resources {
        resource.declare_unbound(connection).await?;
    }
    for resource in resources.iter().rev() {
        resource.bind(connection).await?;
    }
    Ok(())
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
