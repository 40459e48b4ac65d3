//! Giving dead letters up, and opening them again.

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

/// What both decisions need to know.
#[derive(Debug, Args)]
pub struct Deciding {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    actor: ActorArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Deciding {
    pub async fn discard(self, settings: &Settings) -> Result<(), CommandFailed> {
        let actor = self.actor.actor_with_reason("they are given up")?;
        let database = migrated_database(settings).await?;
        let ids = self.selection.ids(&database, DeadLetterState::Open).await?;
        self.selection.confirm("Discard", ids.len())?;
        self.decide(&database, Decision::Discard, &actor, &ids).await
    }

    pub async fn restore(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let ids = self.selection.ids(&database, DeadLetterState::Discarded).await?;
        self.selection.confirm("Restore", ids.len())?;
        self.decide(&database, Decision::Restore, &self.actor.actor(), &ids).await
    }

    async fn decide(
        &self,
        database: &Database,
        decision: Decision,
        actor: &Actor,
        ids: &[i64],
    ) -> Result<(), CommandFailed> {
        let action = decision.action(actor, SystemClock.now());
        let mut left = Vec::new();
        for &id in ids {
            if !decision.carry_out(&*database.dead_letters(), id, &action).await? {
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
        let why = decision.why_left();
        Err(CommandFailed::told(format!("left alone, as {why}: {}", ids.join(" "))))
    }
}
