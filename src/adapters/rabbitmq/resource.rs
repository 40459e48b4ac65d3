//! Declaring one exchange or queue, or looking for it.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};

use super::ResourceStatus;
use super::connection::{ANSWER_TIMEOUT, RabbitError, close_channel, open_channel, within};

/// One exchange or queue, as it should be.
#[derive(Debug)]
pub(super) enum Resource<'a> {
    Exchange {
        name: &'a str,
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
    pub(super) exchange: &'a str,
    pub(super) routing_key: &'static str,
}

impl Resource<'_> {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Exchange { name } => format!("exchange {name}"),
            Self::Queue { name, .. } => format!("queue {name}"),
        }
    }

    /// Declares it and binds it.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), RabbitError> {
        self.declare_itself(connection).await?;
        self.bind(connection).await
    }

    pub(super) async fn declare_itself(&self, connection: &Connection) -> Result<(), RabbitError> {
        match self {
            Self::Exchange { .. } => self.ask(connection, false, FieldTable::default()).await,
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
            Self::Exchange { name } => {
                let options = ExchangeDeclareOptions {
                    passive,
                    durable: true,
                    ..ExchangeDeclareOptions::default()
                };
                let name = (*name).into();
                let asked = channel.exchange_declare(name, ExchangeKind::Topic, options, arguments);
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

    async fn bind(&self, connection: &Connection) -> Result<(), RabbitError> {
        let Self::Queue { name, bound: Some(Binding { exchange, routing_key }), .. } = self else {
            return Ok(());
        };
        let channel = open_channel(connection).await?;
        let bound = channel.queue_bind(
            name.as_str().into(),
            (*exchange).into(),
            (*routing_key).into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        let bound = within(ANSWER_TIMEOUT, bound).await;
        close_channel(&channel).await;
        self.judge(bound)
    }

    /// Tells an answer that stays the same (refused, not found, different) from passing trouble.
    fn judge(&self, answer: Result<(), RabbitError>) -> Result<(), RabbitError> {
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
