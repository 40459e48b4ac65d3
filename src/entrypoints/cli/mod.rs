//! The command line.

mod dead_letters;
mod demo;
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
use crate::service_layer::InvalidQuery;

/// Consumes order commands from RabbitMQ, applies them in transactional batches, and publishes the
/// changes of orders as events.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Program {
    #[command(subcommand)]
    pub action: Option<Action>,
    #[command(flatten)]
    pub settings: Settings,
}

impl Program {
    /// Whether the output is for looking at, and log lines would only be in the way.
    pub fn is_a_show(&self) -> bool {
        matches!(self.action, Some(Action::Demo(_)))
    }
}

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run the worker (also the default). Without AMQP_URL it reads commands from standard input
    /// and prints events.
    Run,
    /// Run a demonstration of the whole process, on its own data.
    Demo(demo::Demo),
    /// Publish commands from a file or standard input.
    Publish(publish::Publish),
    /// Print events as they are published.
    Watch(watch::Watch),
    /// List and show orders.
    Orders {
        #[command(subcommand)]
        question: orders::Question,
    },
    /// List, edit, replay and discard dead letters.
    DeadLetters {
        #[command(subcommand)]
        action: Box<dead_letters::DeadLetters>,
    },
    /// Create tokens for the console and the API.
    Token {
        #[command(subcommand)]
        action: token::TokenAction,
    },
    /// Check, declare and delete the exchanges and queues on the broker.
    Topology {
        #[command(subcommand)]
        action: topology::TopologyAction,
    },
    /// Migrate the database to the schema of this version.
    Migrate,
    /// Print the JSON Schemas of all messages, or write them to files.
    Schemas(schemas::Schemas),
    /// Check the database, the broker and the consumer; for containers.
    Healthcheck(healthcheck::Healthcheck),
}

/// Why a subcommand did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandFailed {
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Query(#[from] InvalidQuery),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Reported in full already.
    #[error("{0}")]
    Told(String),
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
    fn told(text: impl Into<String>) -> Self {
        Self::Told(text.into())
    }
}

/// The database that the settings name, with the tables of this program.
async fn migrated_database(settings: &Settings) -> Result<Database, CommandFailed> {
    let database = Database::open(settings).await?;
    database.ensure_migrated().await?;
    Ok(database)
}

/// Does what the command line says; the exit code is 0 when all went well, 1 when not. (Wrong words on
/// the command line end the program before, with 2.)
pub async fn main(program: Program) -> ExitCode {
    let Program { action, settings } = program;
    let done = match action.unwrap_or(Action::Run) {
        Action::Run => run::run(settings).await,
        Action::Demo(demo) => demo.run(settings).await,
        Action::Publish(publish) => publish.run(&settings).await,
        Action::Watch(watch) => watch.run(&settings).await,
        Action::Orders { question } => question.run(&settings).await,
        Action::DeadLetters { action } => action.run(&settings).await,
        Action::Token { action } => action.run(&settings),
        Action::Topology { action } => action.run(&settings).await,
        Action::Migrate => migrate::run(&settings).await,
        Action::Schemas(schemas) => schemas.run(),
        Action::Healthcheck(healthcheck) => healthcheck.run(&settings).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(CommandFailed::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("order-worker: {error}");
            ExitCode::FAILURE
        }
    }
}
