//! The subcommands of `dead-letters`.

mod decide;
mod edit;
mod export_import;
mod list;
mod replay;
mod selection;
mod show;

use clap::{Args, Subcommand};

use super::CommandFailed;
use crate::bootstrap::Database;
use crate::config::Settings;
use crate::service_layer::dead_letters::Actor;
use crate::service_layer::dead_letters::DeadLetterRecord;

#[derive(Debug, Subcommand)]
pub enum DeadLettersAction {
    /// List dead letters, or groups of similar ones.
    List(list::List),
    /// Show a dead letter: reason, properties, body, audit log, and the current state of its order.
    Show(show::Show),
    /// Publish dead letters to the commands exchange again. With --dry-run, only show the outcomes
    /// that this would have.
    Replay(replay::Replay),
    /// Replace the body of a dead letter, unless a dry run shows that it would still fail.
    Edit(edit::Edit),
    /// Discard open dead letters. They can be restored until retention deletes them.
    Discard(decide::Decide),
    /// Reopen discarded or replayed dead letters.
    Restore(decide::Decide),
    /// Print dead letters as JSON lines, with properties and body.
    Export(export_import::Export),
    /// Import exported dead letters as open ones. Those that are in the table stay as they are.
    Import(export_import::Import),
}

/// Who acts, and why.
#[derive(Debug, Clone, Args)]
pub struct ActorArguments {
    /// Your name, for the audit log.
    #[arg(long, env = "USER", default_value = "unknown", hide_env_values = true)]
    who: String,
    /// The reason, for the audit log.
    #[arg(long)]
    why: Option<String>,
}

impl ActorArguments {
    fn actor(&self) -> Actor {
        Actor::new(&self.who, self.why.as_deref())
    }

    /// # Errors
    /// When no reason is given.
    fn actor_with_reason(&self) -> Result<Actor, CommandFailed> {
        let actor = self.actor();
        if actor.why.is_none() {
            return Err(CommandFailed::message("--why REASON is required, for the audit log"));
        }
        Ok(actor)
    }
}

impl DeadLettersAction {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        match self {
            Self::List(list) => list.run(settings).await,
            Self::Show(show) => show.run(settings).await,
            Self::Replay(replay) => replay.run(settings).await,
            Self::Edit(edit) => edit.run(settings).await,
            Self::Discard(discard) => discard.discard(settings).await,
            Self::Restore(restore) => restore.restore(settings).await,
            Self::Export(export) => export.run(settings).await,
            Self::Import(import) => import.run(settings).await,
        }
    }
}

async fn dead_letter(database: &Database, id: i64) -> Result<DeadLetterRecord, CommandFailed> {
    let record = database.dead_letters().dead_letter(id).await?;
    record.ok_or_else(|| {
        CommandFailed::Message(format!(
            "there is no dead letter {id}: `order-worker dead-letters list --state any` lists them"
        ))
    })
}
