//! The exchanges and queues that the worker needs, and why each is as it is.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ExchangeKind, Queue};

use super::connection::{ANSWER_TIMEOUT, RabbitError, open_channel, within};

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

/// One exchange or queue, as it should be.
#[derive(Debug)]
enum Part<'a> {
    Exchange {
        name: &'a str,
    },
    Queue {
        name: String,
        arguments: FieldTable,
        or_else: Option<FieldTable>,
        bound: Option<Binding<'a>>,
    },
}

#[derive(Debug)]
struct Binding<'a> {
    exchange: &'a str,
    routing_key: &'static str,
}

/// What a look at one exchange or queue found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Such as `queue orders.commands`.
    pub what: String,
    pub verdict: Verdict,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Missing,
    /// It exists, but otherwise; in the broker's words.
    Different(String),
}

impl Topology {
    /// The queue in which messages wait for retry `attempt` (from 1).
    #[must_use]
    pub fn retry_queue(&self, attempt: u32) -> String {
        format!("{}.retry.{attempt}", self.commands_queue)
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = vec![
            Part::Exchange { name: &self.commands_exchange },
            Part::Exchange { name: &self.events_exchange },
            Part::Exchange { name: &self.dead_letter_exchange },
            self.dead_letter_queue(),
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
    fn commands_queue(&self) -> Part<'_> {
        Part::Queue {
            name: self.commands_queue.clone(),
            arguments: table([
                ("x-queue-type", text("quorum")),
                ("x-dead-letter-exchange", text(&self.dead_letter_exchange)),
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-overflow", text("reject-publish")),
                ("x-delivery-limit", AMQPValue::LongLongInt(self.delivery_limit.into())),
            ]),
            or_else: None,
            bound: Some(Binding { exchange: &self.commands_exchange, routing_key: "order.#" }),
        }
    }

    /// Dead letters are read by people, again and again: since 4.0 a quorum queue drops a message
    /// that was handed out 20 times unless told never to. Older brokers refuse to be told, and a
    /// queue that was declared on one stays as it is: then without.
    fn dead_letter_queue(&self) -> Part<'_> {
        let unlimited = ("x-delivery-limit", AMQPValue::LongLongInt(-1));
        Part::Queue {
            name: self.dead_letter_queue.clone(),
            arguments: table([("x-queue-type", text("quorum")), unlimited]),
            or_else: Some(table([("x-queue-type", text("quorum"))])),
            bound: Some(Binding { exchange: &self.dead_letter_exchange, routing_key: "#" }),
        }
    }

    /// A queue without consumers, from which messages go back to the commands when they have waited
    /// long enough. Straight into the queue: only the one who retries gets the message again.
    fn delay(&self, attempt: u32, delay: Duration) -> Part<'_> {
        let milliseconds = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        Part::Queue {
            name: self.retry_queue(attempt),
            arguments: table([
                ("x-queue-type", text("quorum")),
                ("x-message-ttl", AMQPValue::LongLongInt(milliseconds)),
                ("x-dead-letter-exchange", text("")),
                ("x-dead-letter-routing-key", text(&self.commands_queue)),
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-overflow", text("reject-publish")),
            ]),
            or_else: None,
            bound: None,
        }
    }

    /// Declares everything; what is there already as it should be stays.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), RabbitError> {
        for part in self.parts() {
            part.declare(connection).await?;
        }
        Ok(())
    }

    /// Looks whether everything is there, without the right to declare.
    pub(super) async fn look(&self, connection: &Connection) -> Result<(), RabbitError> {
        for part in self.parts() {
            if part.look(connection).await? == Verdict::Missing {
                return Err(RabbitError::Topology {
                    what: part.what(),
                    difference: "does not exist".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Compares everything with what should be there; changes nothing.
    pub(super) async fn check(&self, connection: &Connection) -> Result<Vec<Finding>, RabbitError> {
        let mut findings = Vec::new();
        for part in self.parts() {
            let mut verdict = part.look(connection).await?;
            if verdict == Verdict::Good {
                // It exists, so declaring it creates nothing: the broker only compares.
                verdict = match part.declare(connection).await {
                    Ok(()) => Verdict::Good,
                    Err(RabbitError::Topology { difference, .. }) => Verdict::Different(difference),
                    Err(error) => return Err(error),
                };
            }
            findings.push(Finding { what: part.what(), verdict });
        }
        Ok(findings)
    }
}

impl super::RabbitMq {
    /// Compares the broker with what should be there; changes nothing. Bindings cannot be seen by
    /// this protocol.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn check_topology(&self) -> Result<Vec<Finding>, RabbitError> {
        let connection = self.connect("checks").await?;
        let findings = self.topology.check(&connection).await;
        super::connection::close(&connection).await;
        findings
    }

    /// How many workers consume the commands queue, by the broker's own count.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such queue.
    pub async fn consumers(&self) -> Result<u32, RabbitError> {
        Ok(self.look_at(&self.topology.commands_queue).await?.consumer_count())
    }

    /// How many messages are in the dead letter queue.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such queue.
    pub async fn dead_letters_waiting(&self) -> Result<u32, RabbitError> {
        Ok(self.look_at(&self.topology.dead_letter_queue).await?.message_count())
    }

    async fn look_at(&self, queue: &str) -> Result<Queue, RabbitError> {
        let connection = self.connect("checks").await?;
        let channel = open_channel(&connection).await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let seen = channel.queue_declare(queue.into(), options, FieldTable::default());
        let seen = within(ANSWER_TIMEOUT, seen).await;
        super::connection::close(&connection).await;
        seen
    }

    /// Deletes everything that the topology names, with all messages.
    ///
    /// # Errors
    /// When the broker does not answer or does not allow it.
    pub async fn delete_topology(&self) -> Result<(), RabbitError> {
        let connection = self.connect("deletes").await?;
        let channel = open_channel(&connection).await?;
        for part in self.topology.parts() {
            match &part {
                Part::Exchange { name } => {
                    within(
                        ANSWER_TIMEOUT,
                        channel.exchange_delete((*name).into(), ExchangeDeleteOptions::default()),
                    )
                    .await?;
                }
                Part::Queue { name, .. } => {
                    within(
                        ANSWER_TIMEOUT,
                        channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()),
                    )
                    .await?;
                }
            }
        }
        super::connection::close(&connection).await;
        Ok(())
    }
}

impl Part<'_> {
    fn what(&self) -> String {
        match self {
            Self::Exchange { name } => format!("exchange {name}"),
            Self::Queue { name, .. } => format!("queue {name}"),
        }
    }

    async fn declare(&self, connection: &Connection) -> Result<(), RabbitError> {
        match self {
            Self::Exchange { name } => {
                let channel = open_channel(connection).await?;
                let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
                let declared = channel.exchange_declare(
                    (*name).into(),
                    ExchangeKind::Topic,
                    options,
                    FieldTable::default(),
                );
                self.judge(within(ANSWER_TIMEOUT, declared).await)
            }
            Self::Queue { name, arguments, or_else, bound } => {
                let declared =
                    self.declare_queue(connection, name, arguments, bound.as_ref()).await;
                match (declared, or_else) {
                    (Err(RabbitError::Topology { .. }), Some(arguments)) => {
                        self.declare_queue(connection, name, arguments, bound.as_ref()).await
                    }
                    (declared, _) => declared,
                }
            }
        }
    }

    /// On a channel of its own: the broker closes it over any difference.
    async fn declare_queue(
        &self,
        connection: &Connection,
        name: &str,
        arguments: &FieldTable,
        bound: Option<&Binding<'_>>,
    ) -> Result<(), RabbitError> {
        let channel = open_channel(connection).await?;
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let declared = channel.queue_declare(name.into(), options, arguments.clone());
        self.judge(within(ANSWER_TIMEOUT, declared).await.map(drop))?;
        if let Some(Binding { exchange, routing_key }) = bound {
            let options = QueueBindOptions::default();
            let bound = channel.queue_bind(
                name.into(),
                (*exchange).into(),
                (*routing_key).into(),
                options,
                FieldTable::default(),
            );
            self.judge(within(ANSWER_TIMEOUT, bound).await)?;
        }
        Ok(())
    }

    /// Asks for it without declaring it.
    async fn look(&self, connection: &Connection) -> Result<Verdict, RabbitError> {
        let channel = open_channel(connection).await?;
        let seen = match self {
            Self::Exchange { name } => {
                let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
                let seen = channel.exchange_declare(
                    (*name).into(),
                    ExchangeKind::Topic,
                    options,
                    FieldTable::default(),
                );
                within(ANSWER_TIMEOUT, seen).await
            }
            Self::Queue { name, .. } => {
                let options = QueueDeclareOptions { passive: true, ..Default::default() };
                let seen =
                    channel.queue_declare(name.as_str().into(), options, FieldTable::default());
                within(ANSWER_TIMEOUT, seen).await.map(drop)
            }
        };
        match self.judge(seen) {
            Ok(()) => Ok(Verdict::Good),
            Err(RabbitError::Topology { difference, .. }) if difference.contains("NOT_FOUND") => {
                Ok(Verdict::Missing)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells an answer that stays the same (refused, not found, different) from passing trouble.
    fn judge<T>(&self, answer: Result<T, RabbitError>) -> Result<T, RabbitError> {
        match answer {
            Err(RabbitError::Unavailable(text)) if is_lasting(&text) => {
                Err(RabbitError::Topology { what: self.what(), difference: text })
            }
            answer => answer,
        }
    }
}

/// The replies with which a broker closes a channel over a declaration.
fn is_lasting(text: &str) -> bool {
    ["PRECONDITION_FAILED", "NOT_FOUND", "ACCESS_REFUSED", "RESOURCE_LOCKED"]
        .iter()
        .any(|reply| text.contains(reply))
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
