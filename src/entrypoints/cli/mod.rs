//! The command line.

mod dead_letters;
mod demo;
mod doctor;
mod healthcheck;
mod migrate;
pub(super) mod ndjson;
mod orders;
mod output;
mod publish;
mod run;
mod schemas;
mod signals;
mod stdin;
mod token;
mod topology;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bootstrap::{Database, Failure};
use crate::config::{InvalidSetting, Settings};
use crate::entrypoints::WorkerFailed;
use crate::service_layer::InvalidQuery;

/// Consumes order commands from RabbitMQ, applies them in transactional batches, and publishes the
/// changes of orders as events.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Program {
    #[command(subcommand)]
    pub action: Option<Action>,
    #[command(flatten)]
    pub settings: Settings,
}

impl Program {
    /// Whether it is the demo, whose output log lines would clutter.
    pub fn is_demo(&self) -> bool {
        matches!(self.action, Some(Action::Demo(_)))
    }
}

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run the worker; this is the default. Without AMQP_URL, it reads commands from standard input
    /// and prints events.
    Run,
    /// Run a worker on example commands, with queues and a database of its own.
    Demo(demo::Demo),
    /// Publish commands from a file or standard input.
    Publish(publish::Publish),
    /// Print events as they are published.
    Watch(watch::Watch),
    /// List and show orders.
    Orders {
        #[command(subcommand)]
        action: orders::OrdersAction,
    },
    /// List, show, edit, replay and discard dead letters.
    DeadLetters {
        #[command(subcommand)]
        action: Box<dead_letters::DeadLettersAction>,
    },
    /// Create, list and remove tokens for the console and the API.
    Token {
        #[command(subcommand)]
        action: token::TokenAction,
    },
    /// Declare, check or show the exchanges and queues on the broker.
    Topology {
        #[command(subcommand)]
        action: topology::TopologyAction,
    },
    /// Migrate the database to the schema version of this program. Does nothing if a newer one has
    /// migrated it.
    Migrate,
    /// Print the JSON Schemas of all messages, or write them to files.
    Schemas(schemas::Schemas),
    /// Examine broker, database, queues and permissions, and say what to do. Changes nothing.
    Doctor(doctor::Doctor),
    /// Check whether the worker at HTTP_ADDR is ready. Without HTTP_ADDR: whether the database is
    /// migrated and any worker consumes the commands queue.
    Healthcheck(healthcheck::Healthcheck),
}

/// Why a subcommand failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandFailed {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Worker(#[from] WorkerFailed),
    #[error(transparent)]
    Query(#[from] InvalidQuery),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Message(String),
}

impl From<InvalidSetting> for CommandFailed {
    fn from(invalid: InvalidSetting) -> Self {
        Self::Failure(invalid.into())
    }
}

impl From<crate::service_layer::StoreError> for CommandFailed {
    fn from(error: crate::service_layer::StoreError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<crate::adapters::rabbitmq::RabbitError> for CommandFailed {
    fn from(error: crate::adapters::rabbitmq::RabbitError) -> Self {
        Self::Failure(error.into())
    }
}

impl CommandFailed {
    fn message(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }
}

/// The database of the settings.
///
/// # Errors
/// When it cannot be opened, or its schema version is not one that this program can use.
async fn migrated_database(settings: &Settings) -> Result<Database, CommandFailed> {
    let database = Database::open(settings).await?;
    database.ensure_migrated().await?;
    Ok(database)
}

/// Runs the subcommand. The exit code is 0 on success and 1 on failure; invalid arguments have exited
/// with 2 before.
pub async fn main(program: Program) -> ExitCode {
    let Program { action, settings } = program;
    let done = match action.unwrap_or(Action::Run) {
        Action::Run => run::run(settings).await,
        Action::Demo(demo) => demo.run(settings).await,
        Action::Publish(publish) => publish.run(&settings).await,
        Action::Watch(watch) => watch.run(&settings).await,
        Action::Orders { action } => action.run(&settings).await,
        Action::DeadLetters { action } => action.run(&settings).await,
        Action::Token { action } => action.run(&settings),
        Action::Topology { action } => action.run(&settings).await,
        Action::Migrate => migrate::run(&settings).await,
        Action::Schemas(schemas) => schemas.run(),
        Action::Doctor(doctor) => doctor.run(&settings).await,
        Action::Healthcheck(healthcheck) => healthcheck.run(&settings).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output, such as `head`, has closed the pipe.
        Err(CommandFailed::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("order-worker: {error}");
            ExitCode::FAILURE
        }
    }
}
