//! `healthcheck`: asks the worker itself, or else checks the database and the commands queue.

pub(super) mod own_worker;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::output::{print_json, print_line, table};
use super::topology::rabbitmq;
use super::{CommandFailed, migrated_database};
use crate::config::Settings;

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Check {
    #[serde(rename = "what")]
    pub name: String,
    #[serde(rename = "good")]
    passed: bool,
    #[serde(rename = "trouble")]
    pub problem: Option<String>,
}

impl Healthcheck {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let checks = match settings.http_addr.as_ref().and_then(own_worker::address) {
            Some(address) => own_worker::checks(&address).await,
            None => dependencies(settings).await?,
        };
        self.print(&checks)?;
        match checks.iter().filter(|check| !check.passed).count() {
            0 => Ok(()),
            bad => Err(CommandFailed::Message(format!("{bad} of {} checks failed", checks.len()))),
        }
    }

    fn print(&self, checks: &[Check]) -> Result<(), CommandFailed> {
        if self.json {
            return print_json(&checks);
        }
        let mut table = table(["check", "passed", "problem"]);
        for check in checks {
            let passed = if check.passed { "yes" } else { "no" };
            table.add_row([&*check.name, passed, check.problem.as_deref().unwrap_or("")]);
        }
        print_line(&table.to_string())
    }
}

impl Check {
    fn new(name: &str, result: Result<(), CommandFailed>) -> Self {
        let problem = result.err().map(|error| error.to_string());
        Self { name: name.to_owned(), passed: problem.is_none(), problem }
    }
}

/// Checks what the worker depends on. Which consumer is this worker cannot be seen from outside.
async fn dependencies(settings: &Settings) -> Result<Vec<Check>, CommandFailed> {
    let mut checks = vec![Check::new("database", migrated_database(settings).await.map(drop))];
    if settings.broker_url()?.is_some() {
        checks.push(Check::new("commands consumed", consumed(settings).await));
    }
    Ok(checks)
}

async fn consumed(settings: &Settings) -> Result<(), CommandFailed> {
    match rabbitmq(settings, false)?.consumers().await? {
        0 => Err(CommandFailed::Message("no worker is consuming the commands queue".to_owned())),
        _ => Ok(()),
    }
}
