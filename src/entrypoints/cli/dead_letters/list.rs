//! Lists of dead letters and of groups of them.

use clap::Args;
use serde_json::{Value, json};

use super::selection::FilterArguments;
use crate::config::Settings;
use crate::entrypoints::cli::output::{print_json, print_line, printable, table};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::service_layer::dead_letters::{
    DeadLetterGroup, DeadLetterState, DeadLetterStore, DeadLetterSummary,
};
use crate::service_layer::wire::format_moment;

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    filter: FilterArguments,
    /// Which ones: open, replaying, replayed, discarded or any.
    #[arg(long, default_value = "open", value_parser = state)]
    state: AnyState,
    /// By code, command and pattern of the detail, with how many there are.
    #[arg(long)]
    group: bool,
    /// Most lines.
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A state, or none: any.
#[derive(Debug, Clone, Copy)]
struct AnyState(Option<DeadLetterState>);

fn state(word: &str) -> Result<AnyState, &'static str> {
    match word {
        "any" => Ok(AnyState(None)),
        word => word
            .parse()
            .map(|state| AnyState(Some(state)))
            .map_err(|_| "must be open, replaying, replayed, discarded or any"),
    }
}

impl List {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let filter = self.filter.filter(&database, self.state.0).await?;
        if self.group {
            return self.print_groups(&database.letter_groups(&filter, self.limit).await?);
        }
        self.print_letters(&database.letters(&filter, None, self.limit).await?)
    }

    fn print_letters(&self, letters: &[DeadLetterSummary]) -> Result<(), CommandFailed> {
        if self.json {
            return print_json(&letters.iter().map(summary).collect::<Vec<_>>());
        }
        let mut table =
            table(["id", "failed", "state", "code", "command", "order", "publisher", "detail"]);
        for letter in letters {
            table.add_row([
                letter.id.to_string(),
                letter.failed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                letter.state.to_string(),
                printable(&letter.reason.code),
                or_nothing(letter.subject.command.as_deref()),
                or_nothing(letter.subject.order_id.as_deref()),
                or_nothing(letter.app_id.as_deref()),
                printable(&letter.reason.detail),
            ]);
        }
        print_line(&table.to_string())?;
        self.print_count(letters.len(), "dead letters")
    }

    fn print_groups(&self, groups: &[DeadLetterGroup]) -> Result<(), CommandFailed> {
        if self.json {
            return print_json(&groups.iter().map(group_body).collect::<Vec<_>>());
        }
        let mut table =
            table(["count", "code", "command", "detail", "first failed", "last failed", "example"]);
        for group in groups {
            table.add_row([
                group.count.to_string(),
                printable(&group.code),
                or_nothing(group.command.as_deref()),
                printable(&group.pattern),
                group.first_failed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                group.last_failed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                group.example.to_string(),
            ]);
        }
        print_line(&table.to_string())?;
        self.print_count(groups.len(), "groups")
    }

    fn print_count(&self, count: usize, what: &str) -> Result<(), CommandFailed> {
        let more = if count == self.limit as usize { " (there may be more: --limit)" } else { "" };
        print_line(&format!("{count} {what}{more}"))
    }
}

fn or_nothing(text: Option<&str>) -> String {
    printable(text.unwrap_or_default())
}

/// A dead letter without its content.
pub fn summary(letter: &DeadLetterSummary) -> Value {
    json!({
        "id": letter.id,
        "state": letter.state.word(),
        "code": letter.reason.code,
        "detail": letter.reason.detail,
        "command": letter.subject.command,
        "order_id": letter.subject.order_id,
        "customer_id": letter.subject.customer_id,
        "message_id": letter.message_id,
        "app_id": letter.app_id,
        "first_failed_at": format_moment(letter.first_failed_at),
        "last_failed_at": format_moment(letter.failed_at),
        "failures": letter.failures,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "revision": letter.revision,
    })
}

fn group_body(group: &DeadLetterGroup) -> Value {
    json!({
        "count": group.count,
        "code": group.code,
        "command": group.command,
        "pattern": group.pattern,
        "first_failed_at": format_moment(group.first_failed_at),
        "last_failed_at": format_moment(group.last_failed_at),
        "example": group.example,
    })
}
