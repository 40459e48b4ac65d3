//! `dead-letters discard` and `dead-letters restore`.

use clap::Args;
use serde_json::json;

use super::ActorArguments;
use super::selection::Selection;
use crate::adapters::clock::SystemClock;
use crate::bootstrap::Database;
use crate::config::Settings;
use crate::entrypoints::cli::output::{print_json, print_line};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::DeadLetterState;
use crate::service_layer::dead_letters::{Actor, Decision};

#[derive(Debug, Args)]
pub struct Decide {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    actor: ActorArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Decide {
    pub async fn discard(self, settings: &Settings) -> Result<(), CommandFailed> {
        let actor = self.actor.actor_with_reason()?;
        let database = migrated_database(settings).await?;
        let ids = self.selection.ids(&database, DeadLetterState::Open).await?;
        self.selection.confirm("discard", ids.len())?;
        self.decide(&database, Decision::Discard, &actor, &ids).await
    }

    pub async fn restore(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let ids = self.selection.ids(&database, DeadLetterState::Discarded).await?;
        self.selection.confirm("restore", ids.len())?;
        self.decide(&database, Decision::Restore, &self.actor.actor(), &ids).await
    }

    async fn decide(
        &self,
        database: &Database,
        decision: Decision,
        actor: &Actor,
        ids: &[i64],
    ) -> Result<(), CommandFailed> {
        let audit_entry = decision.audit_entry(actor, SystemClock.now());
        let mut left = Vec::new();
        for &id in ids {
            if !decision.apply(&*database.dead_letters(), id, &audit_entry).await? {
                left.push(id);
            }
        }
        self.report(decision, ids.len() - left.len(), &left)
    }

    fn report(&self, decision: Decision, count: usize, left: &[i64]) -> Result<(), CommandFailed> {
        let done = decision.as_str();
        if self.json {
            print_json(&json!({done: count, "left": left}))?;
        } else {
            print_line(&format!("{count} {done}"))?;
        }
        if left.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = left.iter().map(ToString::to_string).collect();
        let why = decision.why_unchanged();
        Err(CommandFailed::message(format!(
            "{} left unchanged, because they are {why}: {}",
            left.len(),
            ids.join(" ")
        )))
    }
}
