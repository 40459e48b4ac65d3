//! Declares or verifies a single exchange or queue.

use std::fmt;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};

use super::ResourceStatus;
use super::connection::{RPC_TIMEOUT, RabbitError, close_channel, open_channel, within};

/// An exchange or queue of the topology.
#[derive(Debug)]
pub(super) enum Resource<'a> {
    Exchange {
        name: &'a str,
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
    pub(super) exchange: &'a str,
    pub(super) routing_key: &'static str,
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange { name } => write!(f, "exchange {name}"),
            Self::Queue { name, .. } => write!(f, "queue {name}"),
        }
    }
}

impl Resource<'_> {
    /// Declares it, and its binding.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), RabbitError> {
        self.declare_unbound(connection).await?;
        self.bind(connection).await
    }

    /// Declares it without its binding.
    pub(super) async fn declare_unbound(&self, connection: &Connection) -> Result<(), RabbitError> {
        match self {
            Self::Exchange { .. } => {
                self.send_declare(connection, false, FieldTable::default()).await
            }
            Self::Queue { arguments, also_accepted, .. } => {
                let mut declared = self.send_declare(connection, false, arguments.clone()).await;
                for arguments in also_accepted {
                    if !matches!(declared, Err(RabbitError::Topology { .. })) {
                        break;
                    }
                    declared = self.send_declare(connection, false, arguments.clone()).await;
                }
                declared
            }
        }
    }

    /// Verifies that it exists, with a passive declaration. The broker does not compare arguments.
    pub(super) async fn verify(
        &self,
        connection: &Connection,
    ) -> Result<ResourceStatus, RabbitError> {
        match self.send_declare(connection, true, FieldTable::default()).await {
            Ok(()) => Ok(ResourceStatus::Matches),
            Err(RabbitError::Topology { difference, .. }) if difference.contains("NOT_FOUND") => {
                Ok(ResourceStatus::Missing)
            }
            Err(error) => Err(error),
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
            Self::Exchange { name } => {
                let options = ExchangeDeclareOptions {
                    passive,
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                };
                let name = (*name).into();
                let declare =
                    channel.exchange_declare(name, ExchangeKind::Topic, options, arguments);
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

    async fn bind(&self, connection: &Connection) -> Result<(), RabbitError> {
        let Self::Queue { name, binding: Some(Binding { exchange, routing_key }), .. } = self
        else {
            return Ok(());
        };
        let channel = open_channel(connection).await?;
        let bind = channel.queue_bind(
            name.as_str().into(),
            (*exchange).into(),
            (*routing_key).into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        let bound = within(RPC_TIMEOUT, bind).await;
        close_channel(&channel).await;
        self.classified(bound)
    }

    /// Turns a permanent error (access refused, not found, other arguments) into
    /// [`RabbitError::Topology`]; other errors may be temporary.
    fn classified(&self, result: Result<(), RabbitError>) -> Result<(), RabbitError> {
        match result {
            Err(RabbitError::Unavailable(text)) if is_permanent(&text) => {
                Err(RabbitError::Topology { resource: self.to_string(), difference: text })
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
}
