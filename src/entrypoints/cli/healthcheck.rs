//! Whether the worker's surroundings are well.

use clap::Args;
use serde_json::json;

use super::show::{print_json, print_line, table};
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
struct Look {
    what: &'static str,
    trouble: Option<String>,
}

impl Healthcheck {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let mut looks = vec![look("database", database(settings).await)];
        if settings.broker_url()?.is_some() {
            looks.push(look("commands consumed", consumed(settings).await));
        }
        self.print(&looks)?;
        match looks.iter().filter(|look| look.trouble.is_some()).count() {
            0 => Ok(()),
            bad => Err(CommandFailed::Told(format!("{bad} of {} checks failed", looks.len()))),
        }
    }

    fn print(&self, looks: &[Look]) -> Result<(), CommandFailed> {
        if self.json {
            let looks: Vec<_> = looks
                .iter()
                .map(|look| json!({"what": look.what, "good": look.trouble.is_none(), "trouble": look.trouble}))
                .collect();
            return print_json(&looks);
        }
        let mut table = table(["what", "good", "trouble"]);
        for look in looks {
            let good = if look.trouble.is_none() { "yes" } else { "no" };
            table.add_row([look.what, good, look.trouble.as_deref().unwrap_or("")]);
        }
        print_line(&table.to_string())
    }
}

fn look(what: &'static str, looked: Result<(), CommandFailed>) -> Look {
    Look { what, trouble: looked.err().map(|error| error.to_string()) }
}

async fn database(settings: &Settings) -> Result<(), CommandFailed> {
    migrated_database(settings).await.map(drop)
}

/// The broker is asked, not the worker: only the broker knows whether a consumer is there.
async fn consumed(settings: &Settings) -> Result<(), CommandFailed> {
    match rabbitmq(settings, false)?.consumers().await? {
        0 => Err(CommandFailed::Told("no worker consumes the commands queue".to_owned())),
        _ => Ok(()),
    }
}
