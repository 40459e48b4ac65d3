//! Giving a dead letter another body.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{ActorArguments, dead_letter};
use crate::adapters::clock::SystemClock;
use crate::config::Settings;
use crate::entrypoints::body_format::difference;
use crate::entrypoints::cli::output::{print_json, print_line, printable};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::CheckedEdit;
use crate::service_layer::dead_letters::{AuditAction, DeadLetterRecord};

#[derive(Debug, Args)]
pub struct Edit {
    id: i64,
    /// The file with the new body; - for standard input. Without it, EDITOR opens the present one.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The program to edit with.
    #[arg(long, env = "EDITOR", value_name = "PROGRAM", default_value = "vi")]
    editor: String,
    #[command(flatten)]
    actor: ActorArguments,
    /// Keep the new body although it would still fail.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Edit {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let actor = self.actor.actor_with_reason("it is changed")?;
        let database = migrated_database(settings).await?;
        let stored = dead_letter(&database, self.id).await?;
        let body = match &self.body {
            Some(path) => read(path)?,
            None => self.edited(&stored.dead_letter.body)?,
        };
        if body == stored.dead_letter.body {
            return Err(CommandFailed::told("the body is the same: nothing was changed"));
        }
        let _clock = Arc::new(SystemClock);
        let mending = database.dry_run().with_body(&stored, body).await?;
        if let (Some(failure), false) = (mending.prospect.failure(), self.force) {
            return Err(CommandFailed::told(format!(
                "with this body it would still fail ({failure}): nothing was changed (--force keeps it all the same)"
            )));
        }
        let action = actor.action(SystemClock.now(), AuditAction::Edit, mending.verdict());
        let revision = stored.revision;
        if !database
            .dead_letters()
            .revise_dead_letter(self.id, revision, &mending.revision, &action)
            .await?
        {
            return Err(CommandFailed::told(
                "it is not open, or somebody else has edited it meanwhile",
            ));
        }
        self.report(&stored, &mending)
    }

    fn report(
        &self,
        before: &DeadLetterRecord,
        mending: &CheckedEdit,
    ) -> Result<(), CommandFailed> {
        let revision = before.revision + 1;
        let prospect = &mending.prospect;
        if self.json {
            return print_json(&json!({
                "id": self.id, "revision": revision,
                "prospect": prospect.as_str(), "detail": prospect.detail(),
            }));
        }
        let names = (format!("revision {}", before.revision), format!("revision {revision}"));
        let (old, new) = (&before.dead_letter.body, &mending.revision.body);
        print_line(&difference((&names.0, old), (&names.1, new)))?;
        let detail = printable(&prospect.detail());
        print_line(&format!("Replayed now it would be {}: {detail}", prospect.as_str()))
    }

    /// The body after somebody has edited it.
    fn edited(&self, body: &[u8]) -> Result<Vec<u8>, CommandFailed> {
        if !std::io::stdin().is_terminal() {
            return Err(CommandFailed::told(
                "--body: name the file with the new body, as there is no terminal",
            ));
        }
        // It holds a customer's data: only this user can read it, its name cannot be guessed, and it
        // is removed whatever happens. A folder, as some editors write a new file in the old one's place.
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(format!("dead-letter-{}.json", self.id));
        std::fs::write(&path, body)?;
        let mut words = self.editor.split_whitespace();
        let program = words.next().unwrap_or("vi");
        match Command::new(program).args(words).arg(&path).status() {
            Ok(status) if status.success() => Ok(std::fs::read(&path)?),
            Ok(status) => Err(CommandFailed::told(format!(
                "{program} ended with {status}: nothing was changed"
            ))),
            Err(error) => Err(CommandFailed::told(format!("{program}: {error}"))),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CommandFailed> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    std::fs::read(path).map_err(|error| CommandFailed::told(format!("{}: {error}", path.display())))
}
