//! Giving dead letters up, and opening them again.

use clap::Args;
use serde_json::json;

use super::selection::Selection;
use super::{Actor, ready};
use crate::config::Settings;
use crate::entrypoints::cli::CommandFailed;
use crate::entrypoints::cli::show::{print_json, print_line};
use crate::service_layer::dead_letters::{ActionKind, DeadLetterStore, LetterState};

#[derive(Debug, Args)]
pub struct Discard {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Discard {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        if self.actor.why.as_deref().unwrap_or_default().trim().is_empty() {
            return Err(CommandFailed::Told("--why: say why they are given up".to_owned()));
        }
        let database = ready(settings).await?;
        let ids = self.selection.ids(&database, LetterState::Open).await?;
        self.selection.confirm("Discard", ids.len())?;
        let action = self.actor.action(ActionKind::Discard, "discarded");
        let mut left = Vec::new();
        for &id in &ids {
            if !database.discard_letter(id, &action).await? {
                left.push(id);
            }
        }
        report("discarded", ids.len(), &left, "not open", self.json)
    }
}

impl Restore {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = ready(settings).await?;
        let ids = self.selection.ids(&database, LetterState::Discarded).await?;
        self.selection.confirm("Restore", ids.len())?;
        let action = self.actor.action(ActionKind::Restore, "open again");
        let mut left = Vec::new();
        for &id in &ids {
            if !database.restore_letter(id, &action).await? {
                left.push(id);
            }
        }
        report("restored", ids.len(), &left, "neither discarded nor replayed", self.json)
    }
}

fn report(
    done: &str,
    all: usize,
    left: &[i64],
    why_left: &str,
    json: bool,
) -> Result<(), CommandFailed> {
    let count = all - left.len();
    if json {
        print_json(&json!({done: count, "left": left}))?;
    } else {
        print_line(&format!("{count} {done}"))?;
    }
    if left.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = left.iter().map(ToString::to_string).collect();
    Err(CommandFailed::Told(format!("left alone, as {why_left}: {}", ids.join(" "))))
}
