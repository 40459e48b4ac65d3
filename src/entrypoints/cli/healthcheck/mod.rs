//! Whether a worker is well: the one of these settings, or else its surroundings.

mod own_worker;

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

/// One thing that was looked at.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    what: String,
    good: bool,
    trouble: Option<String>,
}

impl Healthcheck {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let looks = match settings.http_addr.as_ref().and_then(own_worker::address) {
            Some(address) => own_worker::looks(&address).await,
            None => surroundings(settings).await?,
        };
        self.print(&looks)?;
        match looks.iter().filter(|look| !look.good).count() {
            0 => Ok(()),
            bad => Err(CommandFailed::Told(format!("{bad} of {} checks failed", looks.len()))),
        }
    }

    fn print(&self, looks: &[Look]) -> Result<(), CommandFailed> {
        if self.json {
            return print_json(&looks);
        }
        let mut table = table(["what", "good", "trouble"]);
        for look in looks {
            let good = if look.good { "yes" } else { "no" };
            table.add_row([&*look.what, good, look.trouble.as_deref().unwrap_or("")]);
        }
        print_line(&table.to_string())
    }
}

impl Look {
    fn new(what: &str, looked: Result<(), CommandFailed>) -> Self {
        let trouble = looked.err().map(|error| error.to_string());
        Self { what: what.to_owned(), good: trouble.is_none(), trouble }
    }
}

/// What can be seen without a word from the worker: among several it cannot be told which one is
/// meant.
async fn surroundings(settings: &Settings) -> Result<Vec<Look>, CommandFailed> {
    let mut looks = vec![Look::new("database", migrated_database(settings).await.map(drop))];
    if settings.broker_url()?.is_some() {
        looks.push(Look::new("commands consumed", consumed(settings).await));
    }
    Ok(looks)
}

async fn consumed(settings: &Settings) -> Result<(), CommandFailed> {
    match rabbitmq(settings, false)?.consumers().await? {
        0 => Err(CommandFailed::Told("no worker consumes the commands queue".to_owned())),
        _ => Ok(()),
    }
}
