//! Giving dead letters up, and opening them again.

use clap::Args;
use serde_json::json;

use super::Actor;
use super::selection::Selection;
use crate::config::Settings;
use crate::entrypoints::cli::show::{print_json, print_line};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::service_layer::dead_letters::{ActionKind, DeadLetterStore, LetterState};

/// What both decisions need to know.
#[derive(Debug, Args)]
pub struct Decision {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Decision {
    pub async fn discard(self, settings: &Settings) -> Result<(), CommandFailed> {
        self.actor.ensure_reason("they are given up")?;
        let database = migrated_database(settings).await?;
        let ids = self.selection.ids(&database, LetterState::Open).await?;
        self.selection.confirm("Discard", ids.len())?;
        let action = self.actor.action(ActionKind::Discard, "discarded");
        let mut left = Vec::new();
        for &id in &ids {
            if !database.discard_letter(id, &action).await? {
                left.push(id);
            }
        }
        self.report("discarded", ids.len(), &left, "not open")
    }

    pub async fn restore(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let ids = self.selection.ids(&database, LetterState::Discarded).await?;
        self.selection.confirm("Restore", ids.len())?;
        let action = self.actor.action(ActionKind::Restore, "open again");
        let mut left = Vec::new();
        for &id in &ids {
            if !database.restore_letter(id, &action).await? {
                left.push(id);
            }
        }
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
