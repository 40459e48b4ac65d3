//! What operators do with dead letters.

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
pub enum DeadLetters {
    /// List dead letters, or groups of them that look alike.
    List(list::List),
    /// Show one in full: body, properties, reason, what was done with it, and its order.
    Show(show::Show),
    /// Publish them to the commands exchange again, or try out what would come of it.
    Replay(replay::Replay),
    /// Give one another body, which is checked and tried out first.
    Edit(edit::Edit),
    /// Give them up; they can be restored until they are too old.
    Discard(decide::Deciding),
    /// Open discarded or replayed ones again.
    Restore(decide::Deciding),
    /// Write them as lines of JSON, with everything that they hold.
    Export(export_import::Export),
    /// Read such lines; dead letters that are there already stay as they are.
    Import(export_import::Import),
}

/// Who does it, and why, for the record.
#[derive(Debug, Clone, Args)]
pub struct ActorArguments {
    /// Who does this, for the record.
    #[arg(long, env = "USER", default_value = "unknown", hide_env_values = true)]
    who: String,
    /// Why, for the record.
    #[arg(long)]
    why: Option<String>,
}

impl ActorArguments {
    fn actor(&self) -> Actor {
        Actor::new(&self.who, self.why.as_deref())
    }

    /// # Errors
    /// When no reason is given: `what` is not done then.
    fn actor_with_reason(&self, what: &str) -> Result<Actor, CommandFailed> {
        let actor = self.actor();
        if actor.why.is_none() {
            return Err(CommandFailed::told(format!("--why: say why {what}")));
        }
        Ok(actor)
    }
}

impl DeadLetters {
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
    let found = database.dead_letters().dead_letter(id).await?;
    found.ok_or_else(|| CommandFailed::Told(format!("there is no dead letter {id}")))
}
