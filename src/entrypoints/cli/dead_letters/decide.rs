//! Giving dead letters up, and opening them again.

use clap::Args;
use serde_json::json;

use super::ActorArguments;
use super::selection::Selection;
use crate::adapters::clock::SystemClock;
use crate::config::Settings;
use crate::entrypoints::cli::show::{print_json, print_line};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::LetterState;

/// What both decisions need to know.
#[derive(Debug, Args)]
pub struct Decision {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    actor: ActorArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Decision {
    pub async fn discard(self, settings: &Settings) -> Result<(), CommandFailed> {
        let actor = self.actor.actor_with_reason("they are given up")?;
        let database = migrated_database(settings).await?;
        let ids = self.selection.ids(&database, LetterState::Open).await?;
        self.selection.confirm("Discard", ids.len())?;
        let left = actor.discard(&database, &ids, SystemClock.now()).await?;
        self.report("discarded", ids.len(), &left, "not open")
    }

    pub async fn restore(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let ids = self.selection.ids(&database, LetterState::Discarded).await?;
        self.selection.confirm("Restore", ids.len())?;
        let left = self.actor.actor().restore(&database, &ids, SystemClock.now()).await?;
        self.report("restored", ids.len(), &left, "neither discarded nor replayed")
    }

    fn report(
        &self,
        done: &str,
        all: usize,
        left: &[i64],
        why_left: &str,
    ) -> Result<(), CommandFailed> {
        let count = all - left.len();
        if self.json {
            print_json(&json!({done: count, "left": left}))?;
        } else {
            print_line(&format!("{count} {done}"))?;
        }
        if left.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = left.iter().map(ToString::to_string).collect();
        Err(CommandFailed::told(format!("left alone, as {why_left}: {}", ids.join(" "))))
    }
}
