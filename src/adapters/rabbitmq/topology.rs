//! The exchanges and queues that the worker needs, and why each is as it is.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ExchangeKind};

use super::connection::RabbitError;
use super::intake::BrokerVersion;
use super::resource::{Binding, Resource};
use crate::service_layer::ORDER_ID_HEADER;

/// A limit of deliveries that no message comes near, and that brokers of all versions understand.
const NEVER_REACHED: i64 = i32::MAX as i64;

/// The names of exchanges and queues, and the few numbers that are part of their declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    pub commands_exchange: String,
    pub commands_queue: String,
    pub events_exchange: String,
    pub dead_letter_exchange: String,
    pub dead_letter_queue: String,
    /// The waits before the first, second, … retry; each has a queue of its own.
    pub retry_delays: Vec<Duration>,
    /// How often the broker hands out a command before it takes it for one that kills workers.
    pub delivery_limit: u32,
    /// Queues over which the commands are spread by their order id, at least 1.
    pub partitions: u16,
    /// Whether each of these queues has a single active consumer.
    pub ordered: bool,
}

/// What a look at one exchange or queue found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Such as `queue orders.commands`.
    pub what: String,
    pub verdict: ResourceStatus,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceStatus {
    Good,
    Missing,
    /// It exists, but otherwise; in the broker's words.
    Different(String),
}

impl Topology {
    /// The queues that hold commands: one for each partition. Their names have the number of
    /// partitions in them, so that the queues of two numbers can exist side by side while a
    /// repartition empties the old ones.
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

    /// The exchange that spreads commands over the partitions, by a hash of the header [`ORDER_ID_HEADER`].
    pub(super) fn partition_exchange(&self) -> String {
        format!("{}.of{}", self.commands_queue, self.partitions)
    }

    /// An empty queue whose length limit is the number of partitions: the broker refuses to a worker with
    /// another number what that worker would declare.
    pub(super) fn partitions_marker(&self) -> String {
        format!("{}.partitions", self.commands_queue)
    }

    /// The queue in which messages wait for retry `attempt` (from 1).
    pub fn retry_queue(&self, attempt: u32) -> String {
        if self.is_partitioned() {
            format!("{}.retry.{attempt}", self.partition_exchange())
        } else {
            format!("{}.retry.{attempt}", self.commands_queue)
        }
    }

    /// Whether a queue is one of the worker's own, with those of other settings: a reply in there would
    /// come back as a command or as a dead letter.
    pub fn is_own_queue(&self, name: &str) -> bool {
        if name == self.commands_queue || name == self.dead_letter_queue {
            return true;
        }
        let number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let suffix = name.strip_prefix(self.commands_queue.as_str());
        let Some(suffix) = suffix.and_then(|suffix| suffix.strip_prefix('.')) else { return false };
        let parts: Vec<&str> = suffix.split('.').collect();
        match parts[..] {
            ["partitions"] => true,
            ["retry", attempt] => number(attempt),
            [partition] => partition.split_once("of").is_some_and(|(p, n)| number(p) && number(n)),
            [set, "retry", attempt] => {
                set.strip_prefix("of").is_some_and(number) && number(attempt)
            }
            _ => false,
        }
    }

    pub(super) fn parts(&self, version: &BrokerVersion) -> Vec<Resource<'_>> {
        let mut parts = vec![
            Resource::topic(&self.commands_exchange),
            Resource::topic(&self.events_exchange),
            Resource::topic(&self.dead_letter_exchange),
            self.dead_letter_queue(version),
            self.marker(),
        ];
        parts.extend(self.partition_parts());
        parts
    }

    pub(super) fn marker(&self) -> Resource<'_> {
        Resource::Queue {
            name: self.partitions_marker(),
            arguments: table([
                ("x-queue-type", text("classic")),
                ("x-max-length", AMQPValue::LongLongInt(self.partitions.into())),
            ]),
            or_else: Vec::new(),
            bound: None,
        }
    }

    fn hash_exchange(&self) -> Resource<'_> {
        Resource::Exchange {
            name: self.partition_exchange().into(),
            kind: ExchangeKind::Custom("x-consistent-hash".to_owned()),
            arguments: table([("hash-header", text(ORDER_ID_HEADER))]),
            bound: Some(self.commands_binding()),
        }
    }

    pub(super) fn commands_binding(&self) -> Binding<'_> {
        Binding { exchange: self.commands_exchange.as_str().into(), routing_key: "order.#" }
    }

    /// Replicated, on disk before it confirms. What the broker itself gives up on (a message that
    /// kills each worker that takes it) goes to the dead letters, and nothing is lost on that way:
    /// at-least-once, which in turn needs reject-publish.
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
        let bound = if self.is_partitioned() {
            // The routing key is the weight: one share for each.
            Binding { exchange: self.partition_exchange().into(), routing_key: "1" }
        } else {
            self.commands_binding()
        };
        Resource::Queue { name, arguments, or_else: Vec::new(), bound: Some(bound) }
    }

    /// Dead letters are read by people, again and again: since 4.0 a quorum queue drops a message
    /// that was handed out 20 times, so it gets a limit that is never reached. Releases before this one
    /// declared it with -1, which is no limit since 4.0; brokers before take it too, but destroy each
    /// message that is handed out a second time. There such a queue is not as it should be.
    fn dead_letter_queue(&self, version: &BrokerVersion) -> Resource<'_> {
        let arguments = |limit: i64| {
            table([
                ("x-queue-type", text("quorum")),
                ("x-delivery-limit", AMQPValue::LongLongInt(limit)),
            ])
        };
        let mut or_else = vec![table([("x-queue-type", text("quorum"))])];
        if version.is_at_least(4) {
            or_else.push(arguments(-1));
        }
        Resource::Queue {
            name: self.dead_letter_queue.clone(),
            arguments: arguments(NEVER_REACHED),
            or_else,
            bound: Some(Binding {
                exchange: self.dead_letter_exchange.as_str().into(),
                routing_key: "#",
            }),
        }
    }

    /// A queue without consumers, from which messages go back to the commands when they have waited
    /// long enough: straight into their queue, or to their partition by their order id. No other
    /// subscriber of the commands exchange gets them again.
    fn delay(&self, attempt: u32, delay: Duration) -> Resource<'_> {
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
            or_else: Vec::new(),
            bound: None,
        }
    }

    /// Declares everything; what is there already as it should be stays.
    pub(super) async fn declare(
        &self,
        connection: &Connection,
        version: &BrokerVersion,
    ) -> Result<(), RabbitError> {
        self.ensure_not_unpartitioned(connection).await?;
        let parts = self.parts(version);
        declare_all(&parts, connection).await
    }

    /// The queues of commands, and what spreads commands over them: what a repartition replaces.
    pub(super) fn partition_parts(&self) -> Vec<Resource<'_>> {
        let mut parts = Vec::new();
        if self.is_partitioned() {
            parts.push(self.hash_exchange());
        }
        let queues = self.command_queues();
        parts.extend(queues.into_iter().map(|queue| self.commands_queue(queue)));
        parts.extend(
            (1..).zip(&self.retry_delays).map(|(attempt, &delay)| self.delay(attempt, delay)),
        );
        parts
    }

    /// A queue of commands from before there were partitions would go on getting all commands.
    async fn ensure_not_unpartitioned(&self, connection: &Connection) -> Result<(), RabbitError> {
        if !self.is_partitioned() || self.marker().look(connection).await? == ResourceStatus::Good {
            return Ok(());
        }
        let unpartitioned = self.commands_queue(self.commands_queue.clone());
        match unpartitioned.look(connection).await? {
            ResourceStatus::Missing => Ok(()),
            _ => Err(RabbitError::Topology {
                what: unpartitioned.what(),
                difference: format!(
                    "exists, so the commands are not partitioned yet: run `order-worker topology repartition {}`",
                    self.partitions
                ),
            }),
        }
    }

    /// Looks whether everything is there, without the right to declare.
    pub(super) async fn look(
        &self,
        connection: &Connection,
        version: &BrokerVersion,
    ) -> Result<(), RabbitError> {
        let marker = self.partitions_marker();
        for part in self.parts(version) {
            // Of releases before this one there is none.
            if !self.is_partitioned() && part.name() == marker {
                continue;
            }
            if part.look(connection).await? == ResourceStatus::Missing {
                return Err(RabbitError::Topology {
                    what: part.what(),
                    difference: "does not exist".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Compares everything with what should be there; changes nothing.
    pub(super) async fn check(
        &self,
        connection: &Connection,
        version: &BrokerVersion,
    ) -> Result<Vec<Finding>, RabbitError> {
        let mut findings = Vec::new();
        for part in self.parts(version) {
            let mut verdict = part.look(connection).await?;
            if verdict == ResourceStatus::Good {
                // It exists, so declaring it creates nothing: the broker only compares.
                verdict = match part.declare_itself(connection).await {
                    Ok(()) => ResourceStatus::Good,
                    Err(RabbitError::Topology { difference, .. }) => {
                        ResourceStatus::Different(difference)
                    }
                    Err(error) => return Err(error),
                };
            }
            findings.push(Finding { what: part.what(), verdict });
        }
        Ok(findings)
    }
}

/// Declares all, then binds them, the last first: no message comes to an exchange before the queues
/// behind it are bound.
pub(super) async fn declare_all(
    parts: &[Resource<'_>],
    connection: &Connection,
) -> Result<(), RabbitError> {
    for part in parts {
        part.declare_itself(connection).await?;
    }
    for part in parts.iter().rev() {
        part.bind(connection).await?;
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
