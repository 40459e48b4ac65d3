//! The command line of the bench.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use order_worker::config::SecretUrl;

use crate::Failure;
use crate::worker_process::Program;

/// Where the figures are written when everything is measured.
const FIGURES: &str = "docs/performance.json";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Consuming, inserting and publishing, each alone, and the limit that follows.
    #[value(alias = "legs")]
    Stages,
    /// The worker as shipped, from a backlog.
    Full,
    /// The worker with one thing changed at a time.
    #[value(alias = "ladder")]
    Variants,
    /// Lanes and processes.
    Scaling,
    /// Workers that handle each message alone, 16 at once: this one, and those given as --other.
    Others,
    /// Open loop at 25, 50 and 80 % of the throughput.
    Latency,
    /// One message at a time on an idle worker.
    Idle,
    /// Cost by the number of orders in the table.
    Growth,
    /// Resident memory: idle, under load, afterwards.
    Memory,
    /// What a message costs the database.
    Database,
}

/// A worker of another stack.
#[derive(Debug, Clone)]
pub struct Other {
    pub name: String,
    pub program: PathBuf,
}

/// The absolute path: workers run in temporary directories.
fn program(file: &str) -> Result<PathBuf, String> {
    Path::new(file).canonicalize().map_err(|error| error.to_string())
}

fn other(text: &str) -> Result<Other, String> {
    let (name, file) = text.split_once('=').ok_or("must be NAME=FILE")?;
    Ok(Other { name: name.to_owned(), program: program(file)? })
}

/// Measures the worker on a real RabbitMQ and PostgreSQL. `make bench` runs it with everything set.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
pub struct Options {
    /// Commands in the long backlog; other runs use a fraction of it.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(500..))]
    messages: u32,

    /// How often to repeat each measurement.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Seed of the commands and of the order of the runs.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Run everything once with few messages, as a smoke test. The figures mean nothing.
    #[arg(long)]
    pub quick: bool,

    /// Measure only this part; repeatable.
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,

    /// File for the figures; tables go into the .md file next to it, plots into the directory of the
    /// same name. By default a full run writes docs/performance.json, any other run nothing.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The build of the worker to measure, for example one from before a change.
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_order-worker"))]
    #[arg(value_parser = program)]
    program: PathBuf,

    /// A worker of another stack to compare with: its name, and a program that handles PlaceOrder the
    /// same way with the same environment variables. Repeatable.
    #[arg(long, value_name = "NAME=FILE", value_parser = other)]
    pub other: Vec<Other>,

    #[arg(long, env, hide_env_values = true)]
    amqp_url: Option<SecretUrl>,

    #[arg(long, env, hide_env_values = true)]
    database_url: Option<SecretUrl>,

    /// `cargo bench` passes it to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub fn measures(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    pub fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    /// Commands in the long backlog.
    pub fn messages(&self) -> usize {
        let messages = if self.quick { self.messages.min(6_000) } else { self.messages };
        messages as usize
    }

    /// Where to write the figures, if anywhere.
    pub fn out(&self) -> Option<&Path> {
        let whole = !self.quick && self.only.is_empty();
        self.out.as_deref().or(whole.then_some(Path::new(FIGURES)))
    }

    /// The worker as shipped.
    pub fn shipped(&self) -> Program {
        Program::Shipped(self.program.clone())
    }

    /// The URLs of RabbitMQ and PostgreSQL.
    pub fn addresses(&self) -> Result<(&str, &str), Failure> {
        let missing = "AMQP_URL and DATABASE_URL are not set: run `make bench`";
        match (&self.amqp_url, &self.database_url) {
            (Some(amqp), Some(database)) => Ok((amqp.expose(), database.expose())),
            _ => Err(missing.into()),
        }
    }
}
