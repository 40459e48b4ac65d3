//! `dead-letters edit`.

use std::fs::Permissions;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use clap::Args;
use serde_json::json;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::{ActorArguments, dead_letter};
use crate::adapters::clock::SystemClock;
use crate::config::Settings;
use crate::entrypoints::body_format::unified_diff;
use crate::entrypoints::cli::output::{print_json, print_line, printable};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::{CheckedEdit, DeadLetterRecord};

#[derive(Debug, Args)]
pub struct Edit {
    /// The id, as `list` shows it.
    id: i64,
    /// A file with the new body; - for standard input. Without it, the editor opens the current body.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The editor, with arguments if need be.
    #[arg(long, env = "EDITOR", value_name = "PROGRAM", default_value = "vi")]
    editor: String,
    #[command(flatten)]
    actor: ActorArguments,
    /// Save the new body even if it would still fail.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Edit {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let actor = self.actor.actor_with_reason()?;
        let database = migrated_database(settings).await?;
        let record = dead_letter(&database, self.id).await?;
        let body = match &self.body {
            Some(path) => read(path)?,
            None => self.edit_in_editor(&record.dead_letter.body).await?,
        };
        if body == record.dead_letter.body {
            return Err(CommandFailed::message("nothing was changed: the new body is the same"));
        }
        let edit = database.dry_run().with_body(&record, body).await?;
        if let (Some(failure), false) = (edit.outcome.failure(), self.force) {
            return Err(CommandFailed::message(format!(
                "nothing was changed: with this body it would still fail ({failure}); --force saves it anyway"
            )));
        }
        let now = SystemClock.now();
        if !edit.save(&*database.dead_letters(), &record, &actor, now).await? {
            let id = self.id;
            return Err(CommandFailed::message(format!(
                "nothing was changed: dead letter {id} is not open, or was edited in the meantime; see `order-worker dead-letters show {id}`"
            )));
        }
        self.report(&record, &edit)
    }

    fn report(&self, before: &DeadLetterRecord, edit: &CheckedEdit) -> Result<(), CommandFailed> {
        let revision = before.revision + 1;
        let outcome = &edit.outcome;
        if self.json {
            return print_json(&json!({
                "id": self.id, "revision": revision,
                "prospect": outcome.as_str(), "detail": outcome.detail(),
            }));
        }
        let names = (format!("revision {}", before.revision), format!("revision {revision}"));
        let (old, new) = (&before.dead_letter.body, &edit.revision.body);
        print_line(&unified_diff((&names.0, old), (&names.1, new)))?;
        let detail = printable(&outcome.detail());
        print_line(&format!("A replay now would be {}: {detail}", outcome.as_str()))
    }

    /// The body after the user has edited it.
    async fn edit_in_editor(&self, body: &[u8]) -> Result<Vec<u8>, CommandFailed> {
        if !std::io::stdin().is_terminal() {
            return Err(CommandFailed::message(
                "there is no terminal for an editor: pass the new body with --body FILE",
            ));
        }
        let directory = private_directory()?;
        let path = directory.path().join(format!("dead-letter-{}.json", self.id));
        std::fs::write(&path, body)?;
        let program = self.editor.split_whitespace().next().unwrap_or("vi");
        match run_editor(&self.editor, &path).await? {
            Some(Ok(status)) if status.success() => Ok(std::fs::read(&path)?),
            Some(Ok(status)) => Err(CommandFailed::message(format!(
                "nothing was changed: the editor {program} ended with {status}"
            ))),
            Some(Err(error)) => Err(CommandFailed::message(format!(
                "cannot run the editor {program}: {error}; set EDITOR or pass --editor"
            ))),
            None => Err(CommandFailed::message("nothing was changed: stopped by a signal")),
        }
    }
}

/// A directory that only this user can read, as the body holds a customer's data. Deleted on drop. A
/// private file would not do: some editors replace the file, or keep a backup beside it.
fn private_directory() -> std::io::Result<TempDir> {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir()
}

/// Waits for the editor; none when SIGTERM or SIGHUP comes first. Ctrl-C is left to the editor. With the
/// default actions of these signals, the process would end and leave the directory behind.
async fn run_editor(
    editor: &str,
    path: &Path,
) -> std::io::Result<Option<std::io::Result<ExitStatus>>> {
    let _interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut words = editor.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("vi"));
    command.args(words).arg(path);
    let editing = tokio::task::spawn_blocking(move || command.status());
    tokio::select! {
        status = editing => Ok(Some(status?)),
        _ = terminate.recv() => Ok(None),
        _ = hangup.recv() => Ok(None),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CommandFailed> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    std::fs::read(path)
        .map_err(|error| CommandFailed::message(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_can_read_a_body_that_is_being_edited() {
        let directory = private_directory().unwrap();

        let mode = directory.path().metadata().unwrap().permissions().mode();

        assert_eq!(mode & 0o777, 0o700);
    }
}
