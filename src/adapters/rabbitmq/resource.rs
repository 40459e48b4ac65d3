//! Declares or verifies a single exchange or queue.

use std::borrow::Cow;
use std::fmt;

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, ExchangeUnbindOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ExchangeKind};

use super::connection::{close_channel, open_channel};
use super::errors::{RPC_TIMEOUT, RabbitError, within};
use crate::service_layer::doctor::ResourceStatus;

/// An exchange or queue of the topology.
#[derive(Debug)]
pub(super) enum Resource<'a> {
    Exchange {
        name: Cow<'a, str>,
        kind: ExchangeKind,
        arguments: FieldTable,
        binding: Option<Binding<'a>>,
    },
    Queue {
        name: String,
        arguments: FieldTable,
        /// Other arguments that an existing queue may have.
        also_accepted: Vec<FieldTable>,
        binding: Option<Binding<'a>>,
    },
}

#[derive(Debug)]
pub(super) struct Binding<'a> {
    pub(super) exchange: Cow<'a, str>,
    pub(super) routing_key: &'static str,
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange { name, .. } => write!(f, "exchange {name}"),
            Self::Queue { name, .. } => write!(f, "queue {name}"),
        }
    }
}

impl<'a> Resource<'a> {
    pub(super) fn topic(name: &'a str) -> Self {
        let (kind, arguments) = (ExchangeKind::Topic, FieldTable::default());
        Self::Exchange { name: name.into(), kind, arguments, binding: None }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Exchange { name, .. } => name,
            Self::Queue { name, .. } => name,
        }
    }

    pub(super) fn binding(&self) -> Option<&Binding<'a>> {
        match self {
            Self::Queue { binding, .. } | Self::Exchange { binding, .. } => binding.as_ref(),
        }
    }

    pub(super) fn is_bound_to(&self, exchange: &str) -> bool {
        self.binding().is_some_and(|binding| binding.exchange == exchange)
    }

    /// Declares it without its binding.
    pub(super) async fn declare_unbound(&self, connection: &Connection) -> Result<(), RabbitError> {
        match self {
            Self::Exchange { arguments, .. } => {
                self.send_declare(connection, false, arguments.clone()).await
            }
            Self::Queue { arguments, also_accepted, .. } => {
                let declared = self.send_declare(connection, false, arguments.clone()).await;
                if !matches!(declared, Err(RabbitError::Topology { .. })) {
                    return declared;
                }
                for arguments in also_accepted {
                    match self.send_declare(connection, false, arguments.clone()).await {
                        Err(RabbitError::Topology { .. }) => {}
                        other => return other,
                    }
                }
                // The difference from what the worker itself declares.
                declared
            }
        }
    }

    /// Verifies that it exists, with a passive declaration. The broker does not compare arguments.
    /// Since RabbitMQ 4.2.6 and 4.3.0, it refuses one to a user without any permission on the resource.
    pub(super) async fn verify(
        &self,
        connection: &Connection,
    ) -> Result<ResourceStatus, RabbitError> {
        match self.send_declare(connection, true, FieldTable::default()).await {
            Ok(()) => Ok(ResourceStatus::Matches),
            Err(error) if error.is_not_found() => Ok(ResourceStatus::Missing),
            Err(RabbitError::Topology { difference, .. }) if is_access_refused(&difference) => {
                Ok(ResourceStatus::AccessRefused(difference))
            }
            Err(error) => Err(error),
        }
    }

    /// Compares it with what is on the broker; changes nothing.
    pub(super) async fn compare(
        &self,
        connection: &Connection,
    ) -> Result<ResourceStatus, RabbitError> {
        let compared = match self.verify(connection).await {
            // It exists, so declaring it creates nothing: the broker only compares the arguments.
            Ok(ResourceStatus::Matches) => {
                self.declare_unbound(connection).await.map(|()| ResourceStatus::Matches)
            }
            verified => verified,
        };
        match compared {
            Err(RabbitError::Topology { difference, .. }) if is_access_refused(&difference) => {
                Ok(ResourceStatus::AccessRefused(difference))
            }
            Err(RabbitError::Topology { difference, .. }) => {
                Ok(ResourceStatus::Differs(difference))
            }
            compared => compared,
        }
    }

    /// Declares on its own channel: the broker closes the channel when the declaration fails.
    async fn send_declare(
        &self,
        connection: &Connection,
        passive: bool,
        arguments: FieldTable,
    ) -> Result<(), RabbitError> {
        let channel = open_channel(connection).await?;
        let declared = match self {
            Self::Exchange { name, kind, .. } => {
                let options = ExchangeDeclareOptions {
                    passive,
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                };
                let name = name.as_ref().into();
                let declare = channel.exchange_declare(name, kind.clone(), options, arguments);
                within(RPC_TIMEOUT, declare).await
            }
            Self::Queue { name, .. } => {
                let options = QueueDeclareOptions {
                    passive,
                    durable: true,
                    ..QueueDeclareOptions::default()
                };
                let declare = channel.queue_declare(name.as_str().into(), options, arguments);
                within(RPC_TIMEOUT, declare).await.map(drop)
            }
        };
        close_channel(&channel).await;
        self.classified(declared)
    }

    /// Binds it to the exchange from which it gets its messages, if there is one.
    pub(super) async fn bind(&self, connection: &Connection) -> Result<(), RabbitError> {
        let Some(binding) = self.binding() else { return Ok(()) };
        let channel = open_channel(connection).await?;
        let (source, routing_key) = (binding.exchange.as_ref().into(), binding.routing_key.into());
        let (name, arguments) = (self.name().into(), FieldTable::default());
        let bound = match self {
            Self::Queue { .. } => {
                let options = QueueBindOptions::default();
                let bound = channel.queue_bind(name, source, routing_key, options, arguments);
                within(RPC_TIMEOUT, bound).await
            }
            Self::Exchange { .. } => {
                let options = ExchangeBindOptions::default();
                let bound = channel.exchange_bind(name, source, routing_key, options, arguments);
                within(RPC_TIMEOUT, bound).await
            }
        };
        close_channel(&channel).await;
        self.classified(bound)
    }

    /// Undoes the binding; a missing one is no error.
    pub(super) async fn unbind(&self, connection: &Connection) -> Result<(), RabbitError> {
        let Some(binding) = self.binding() else { return Ok(()) };
        let channel = open_channel(connection).await?;
        let (source, routing_key) = (binding.exchange.as_ref().into(), binding.routing_key.into());
        let (name, arguments) = (self.name().into(), FieldTable::default());
        let unbound = match self {
            Self::Queue { .. } => {
                let unbound = channel.queue_unbind(name, source, routing_key, arguments);
                within(RPC_TIMEOUT, unbound).await
            }
            Self::Exchange { .. } => {
                let options = ExchangeUnbindOptions::default();
                let unbound =
                    channel.exchange_unbind(name, source, routing_key, options, arguments);
                within(RPC_TIMEOUT, unbound).await
            }
        };
        close_channel(&channel).await;
        self.classified(unbound)
    }

    /// Deletes it, a queue with its messages; a missing one is no error.
    pub(super) async fn delete(&self, channel: &Channel) -> Result<(), RabbitError> {
        let name = self.name().into();
        match self {
            Self::Exchange { .. } => {
                let deleted = channel.exchange_delete(name, ExchangeDeleteOptions::default());
                within(RPC_TIMEOUT, deleted).await
            }
            Self::Queue { .. } => {
                let deleted = channel.queue_delete(name, QueueDeleteOptions::default());
                within(RPC_TIMEOUT, deleted).await.map(drop)
            }
        }
    }

    /// Turns a permanent error (access refused, not found, other arguments) into
    /// [`RabbitError::Topology`]; other errors may be temporary.
    fn classified(&self, result: Result<(), RabbitError>) -> Result<(), RabbitError> {
        match result {
            Err(RabbitError::Unavailable(text)) if is_permanent(&text) => {
                Err(RabbitError::Topology {
                    resource: self.to_string(),
                    difference: explained(text),
                })
            }
            result => result,
        }
    }
}

/// Whether the reply text is of an error that repeating the declaration does not change.
fn is_permanent(text: &str) -> bool {
    ["PRECONDITION_FAILED", "NOT_FOUND", "ACCESS_REFUSED", "RESOURCE_LOCKED"]
        .iter()
        .any(|reply| text.contains(reply))
        || is_unknown_exchange_type(text)
}

fn is_access_refused(text: &str) -> bool {
    text.contains("ACCESS_REFUSED")
}

/// The type of the exchange that spreads commands over partitions.
pub(super) const HASH_EXCHANGE: &str = "x-consistent-hash";

/// Whether a broker without the plugin replied this to the declaration of the hash exchange: the type is
/// unknown, or invalid where the plugin has been disabled since the broker started.
pub(super) fn is_unknown_exchange_type(text: &str) -> bool {
    text.contains("unknown exchange type") || text.contains("invalid exchange type")
}

/// The broker's reply text, with what to do about it where that is known.
fn explained(text: String) -> String {
    let advice = if is_unknown_exchange_type(&text) {
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
