//! Declaring one exchange or queue, or looking for it.

use std::borrow::Cow;

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeUnbindOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};

use super::ResourceStatus;
use super::connection::{ANSWER_TIMEOUT, RabbitError, close_channel, open_channel, within};

/// One exchange or queue, as it should be.
#[derive(Debug)]
pub(super) enum Resource<'a> {
    Exchange {
        name: Cow<'a, str>,
        kind: ExchangeKind,
        arguments: FieldTable,
        bound: Option<Binding<'a>>,
    },
    Queue {
        name: String,
        arguments: FieldTable,
        /// Other arguments with which it will do if it is there already.
        or_else: Vec<FieldTable>,
        bound: Option<Binding<'a>>,
    },
}

#[derive(Debug)]
pub(super) struct Binding<'a> {
    pub(super) exchange: Cow<'a, str>,
    pub(super) routing_key: &'static str,
}

impl<'a> Resource<'a> {
    pub(super) fn topic(name: &'a str) -> Self {
        let (kind, arguments) = (ExchangeKind::Topic, FieldTable::default());
        Self::Exchange { name: name.into(), kind, arguments, bound: None }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Exchange { name, .. } => name,
            Self::Queue { name, .. } => name,
        }
    }

    pub(super) fn what(&self) -> String {
        match self {
            Self::Exchange { name, .. } => format!("exchange {name}"),
            Self::Queue { name, .. } => format!("queue {name}"),
        }
    }

    pub(super) async fn declare_itself(&self, connection: &Connection) -> Result<(), RabbitError> {
        match self {
            Self::Exchange { arguments, .. } => {
                self.ask(connection, false, arguments.clone()).await
            }
            Self::Queue { arguments, or_else, .. } => {
                let mut declared = self.ask(connection, false, arguments.clone()).await;
                for arguments in or_else {
                    if !matches!(declared, Err(RabbitError::Topology { .. })) {
                        break;
                    }
                    declared = self.ask(connection, false, arguments.clone()).await;
                }
                declared
            }
        }
    }

    /// Looks for it without declaring it.
    pub(super) async fn look(
        &self,
        connection: &Connection,
    ) -> Result<ResourceStatus, RabbitError> {
        match self.ask(connection, true, FieldTable::default()).await {
            Ok(()) => Ok(ResourceStatus::Good),
            Err(RabbitError::Topology { difference, .. }) if difference.contains("NOT_FOUND") => {
                Ok(ResourceStatus::Missing)
            }
            Err(error) => Err(error),
        }
    }

    /// One declaration, on a channel of its own: the broker closes it over any difference.
    async fn ask(
        &self,
        connection: &Connection,
        passive: bool,
        arguments: FieldTable,
    ) -> Result<(), RabbitError> {
        let channel = open_channel(connection).await?;
        let asked = match self {
            Self::Exchange { name, kind, .. } => {
                let options = ExchangeDeclareOptions {
                    passive,
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                };
                let name = name.as_ref().into();
                let asked = channel.exchange_declare(name, kind.clone(), options, arguments);
                within(ANSWER_TIMEOUT, asked).await
            }
            Self::Queue { name, .. } => {
                let options = QueueDeclareOptions {
                    passive,
                    durable: true,
                    ..QueueDeclareOptions::default()
                };
                let asked = channel.queue_declare(name.as_str().into(), options, arguments);
                within(ANSWER_TIMEOUT, asked).await.map(drop)
            }
        };
        close_channel(&channel).await;
        self.judge(asked)
    }

    /// Binds it to the exchange that it gets its messages from, if there is one.
    pub(super) async fn bind(&self, connection: &Connection) -> Result<(), RabbitError> {
        let (Self::Queue { bound: Some(binding), .. }
        | Self::Exchange { bound: Some(binding), .. }) = self
        else {
            return Ok(());
        };
        let channel = open_channel(connection).await?;
        let (source, routing_key) = (binding.exchange.as_ref().into(), binding.routing_key.into());
        let (name, arguments) = (self.name().into(), FieldTable::default());
        let bound = match self {
            Self::Queue { .. } => {
                let options = QueueBindOptions::default();
                let bound = channel.queue_bind(name, source, routing_key, options, arguments);
                within(ANSWER_TIMEOUT, bound).await
            }
            Self::Exchange { .. } => {
                let options = ExchangeBindOptions::default();
                let bound = channel.exchange_bind(name, source, routing_key, options, arguments);
                within(ANSWER_TIMEOUT, bound).await
            }
        };
        close_channel(&channel).await;
        self.judge(bound)
    }

    pub(super) fn is_bound_to(&self, source: &str) -> bool {
        match self {
            Self::Queue { bound, .. } | Self::Exchange { bound, .. } => {
                bound.as_ref().is_some_and(|binding| binding.exchange == source)
            }
        }
    }

    pub(super) async fn exists(&self, connection: &Connection) -> Result<bool, RabbitError> {
        Ok(self.look(connection).await? != ResourceStatus::Missing)
    }

    /// Undoes the binding; one that is gone already is no error.
    pub(super) async fn unbind(&self, connection: &Connection) -> Result<(), RabbitError> {
        let (Self::Queue { bound: Some(binding), .. }
        | Self::Exchange { bound: Some(binding), .. }) = self
        else {
            return Ok(());
        };
        let channel = open_channel(connection).await?;
        let (source, routing_key) = (binding.exchange.as_ref().into(), binding.routing_key.into());
        let (name, arguments) = (self.name().into(), FieldTable::default());
        let unbound = match self {
            Self::Queue { .. } => {
                let unbound = channel.queue_unbind(name, source, routing_key, arguments);
                within(ANSWER_TIMEOUT, unbound).await
            }
            Self::Exchange { .. } => {
                let options = ExchangeUnbindOptions::default();
                let unbound =
                    channel.exchange_unbind(name, source, routing_key, options, arguments);
                within(ANSWER_TIMEOUT, unbound).await
            }
        };
        close_channel(&channel).await;
        self.judge(unbound)
    }

    /// Tells an answer that stays the same (refused, not found, different) from passing trouble.
    fn judge(&self, answer: Result<(), RabbitError>) -> Result<(), RabbitError> {
        match answer {
            Err(RabbitError::Unavailable(text)) if is_lasting(&text) => {
                Err(RabbitError::Topology { what: self.what(), difference: explained(text) })
            }
            answer => answer,
        }
    }
}

/// The replies with which a broker closes a channel over a declaration.
fn is_lasting(text: &str) -> bool {
    ["PRECONDITION_FAILED", "NOT_FOUND", "ACCESS_REFUSED", "RESOURCE_LOCKED", UNKNOWN_EXCHANGE_TYPE]
        .iter()
        .any(|reply| text.contains(reply))
}

/// What a broker without the plugin says of the hash exchange.
const UNKNOWN_EXCHANGE_TYPE: &str = "unknown exchange type";

/// The broker's words, with what to do about them where that is known.
fn explained(text: String) -> String {
    let advice = if text.contains(UNKNOWN_EXCHANGE_TYPE) {
        "PARTITIONS needs a plugin: run `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange` on each node"
    } else if text.contains("x-single-active-consumer") {
        "the queue has been declared with another ORDERED; see \"Order across workers\" in docs/operations.md"
    } else if text.contains("'x-max-length'") && text.contains(".partitions'") {
        "the commands have been partitioned with another PARTITIONS; `order-worker topology repartition` changes it"
    } else {
        return text;
    };
    format!("{advice} ({text})")
}
