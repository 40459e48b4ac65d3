//! The exchanges and queues that the worker needs, and why each is as it is.

use std::time::Duration;

use lapin::Connection;
use lapin::types::{AMQPValue, FieldTable};

use super::connection::RabbitError;
use super::intake::BrokerVersion;
use super::resource::{Binding, Resource};

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
    /// The queue in which messages wait for retry `attempt` (from 1).
    pub fn retry_queue(&self, attempt: u32) -> String {
        format!("{}.retry.{attempt}", self.commands_queue)
    }

    /// Whether a queue is one of the worker's own, with all retry queues of other settings: a reply in
    /// there would come back as a command or as a dead letter.
    pub fn is_own_queue(&self, name: &str) -> bool {
        name == self.commands_queue
            || name == self.dead_letter_queue
            || name
                .strip_prefix(self.commands_queue.as_str())
                .and_then(|rest| rest.strip_prefix(".retry."))
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    pub(super) fn parts(&self, version: &BrokerVersion) -> Vec<Resource<'_>> {
        let mut parts = vec![
            Resource::Exchange { name: &self.commands_exchange },
            Resource::Exchange { name: &self.events_exchange },
            Resource::Exchange { name: &self.dead_letter_exchange },
            self.dead_letter_queue(version),
            self.commands_queue(),
        ];
        parts.extend(
            (1..).zip(&self.retry_delays).map(|(attempt, &delay)| self.delay(attempt, delay)),
        );
        parts
    }

    /// Replicated, on disk before it confirms. What the broker itself gives up on (a message that
    /// kills each worker that takes it) goes to the dead letters, and nothing is lost on that way:
    /// at-least-once, which in turn needs reject-publish.
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
            or_else: Vec::new(),
            bound: Some(Binding { exchange: &self.commands_exchange, routing_key: "order.#" }),
        }
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
            bound: Some(Binding { exchange: &self.dead_letter_exchange, routing_key: "#" }),
        }
    }

    /// A queue without consumers, from which messages go back to the commands when they have waited
    /// long enough. Straight into the queue: only the one who retries gets the message again.
    fn delay(&self, attempt: u32, delay: Duration) -> Resource<'_> {
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
        for part in self.parts(version) {
            part.declare(connection).await?;
        }
        Ok(())
    }

    /// Looks whether everything is there, without the right to declare.
    pub(super) async fn look(
        &self,
        connection: &Connection,
        version: &BrokerVersion,
    ) -> Result<(), RabbitError> {
        for part in self.parts(version) {
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
