//! Giving a dead letter another body.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use similar::TextDiff;

use super::show::readable;
use super::{Actor, letter};
use crate::adapters::clock::SystemClock;
use crate::bootstrap::Database;
use crate::config::Settings;
use crate::entrypoints::cli::show::{print_json, print_line, printable};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::entrypoints::dead_letters::{Prospect, Rehearsal, as_sent, pattern_of, subject_of};
use crate::service_layer::dead_letters::{
    ActionKind, DeadLetterStore, Reason, Revision, StoredLetter,
};

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
    actor: Actor,
    /// Keep the new body although it would still fail.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Edit {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        self.actor.ensure_reason("it is changed")?;
        let database = migrated_database(settings).await?;
        let stored = letter(&database, self.id).await?;
        let body = match &self.body {
            Some(path) => read(path)?,
            None => self.edited(&stored.letter.body)?,
        };
        if body == stored.letter.body {
            return Err(CommandFailed::told("the body is the same: nothing was changed"));
        }
        let mut revised = stored.clone();
        revised.letter.body.clone_from(&body);
        let prospect = prospect(&database, &revised).await?;
        if let (Some(failure), false) = (prospect.failure(), self.force) {
            return Err(CommandFailed::told(format!(
                "with this body it would still fail ({failure}): nothing was changed (--force keeps it all the same)"
            )));
        }
        let revision = Revision {
            subject: subject_of(&as_sent(&revised.letter)),
            body,
            reason: prospect.failure().map(|failure| Reason {
                code: failure.code.slug().to_owned(),
                pattern: pattern_of(&failure.detail),
                detail: failure.detail,
            }),
        };
        let action = self.actor.action(ActionKind::Edit, verdict(&prospect));
        if !database.revise_letter(self.id, stored.revision, &revision, &action).await? {
            return Err(CommandFailed::told(
                "it is not open, or somebody else has edited it meanwhile",
            ));
        }
        self.report(&stored, &revision, &prospect)
    }

    fn report(
        &self,
        before: &StoredLetter,
        after: &Revision,
        prospect: &Prospect,
    ) -> Result<(), CommandFailed> {
        let revision = before.revision + 1;
        if self.json {
            return print_json(&json!({
                "id": self.id, "revision": revision,
                "prospect": prospect.word(), "detail": prospect.detail(),
            }));
        }
        let (old, new) = (readable(&before.letter.body), readable(&after.body));
        let diff = TextDiff::from_lines(&old, &new);
        let header = (format!("revision {}", before.revision), format!("revision {revision}"));
        print_line(&diff.unified_diff().header(&header.0, &header.1).to_string())?;
        let detail = printable(&prospect.detail());
        print_line(&format!("Replayed now it would be {}: {detail}", prospect.word()))
    }

    /// The body after somebody has edited it.
    fn edited(&self, body: &[u8]) -> Result<Vec<u8>, CommandFailed> {
        if !std::io::stdin().is_terminal() {
            return Err(CommandFailed::told(
                "--body: name the file with the new body, as there is no terminal",
            ));
        }
        let folder = std::env::temp_dir();
        let path = folder.join(format!("dead-letter-{}-{}.json", self.id, std::process::id()));
        std::fs::write(&path, body)?;
        let mut words = self.editor.split_whitespace();
        let program = words.next().unwrap_or("vi");
        let status = Command::new(program).args(words).arg(&path).status();
        let edited = std::fs::read(&path);
        // It holds a customer's data.
        std::fs::remove_file(&path)?;
        match status {
            Ok(status) if status.success() => Ok(edited?),
            Ok(status) => Err(CommandFailed::told(format!(
                "{program} ended with {status}: nothing was changed"
            ))),
            Err(error) => Err(CommandFailed::told(format!("{program}: {error}"))),
        }
    }
}

fn verdict(prospect: &Prospect) -> String {
    format!("would be {}: {}", prospect.word(), prospect.detail())
}

async fn prospect(database: &Database, stored: &StoredLetter) -> Result<Prospect, CommandFailed> {
    let clock = Arc::new(SystemClock);
    let orders = database.clone();
    let foresight = match database {
        Database::Postgres(postgres) => {
            Rehearsal::new(postgres.store(), orders, clock).of(stored).await?
        }
        Database::Sqlite(sqlite) => {
            Rehearsal::new(sqlite.store(), orders, clock).of(stored).await?
        }
    };
    Ok(foresight.prospect)
}

fn read(path: &Path) -> Result<Vec<u8>, CommandFailed> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    std::fs::read(path).map_err(|error| CommandFailed::told(format!("{}: {error}", path.display())))
}
