//! The options that select dead letters.

use std::io::{IsTerminal, Write};

use clap::Args;

use super::dead_letter;
use crate::adapters::clock::SystemClock;
use crate::bootstrap::Database;
use crate::entrypoints::cli::CommandFailed;
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::{
    Age, DeadLetterFilter, DeadLetterState, alike, replayable_ids,
};

/// Selects dead letters that match every given option.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArguments {
    /// Only those with this code, such as order_not_found.
    #[arg(long)]
    code: Option<String>,
    /// Only those with this command, such as PlaceOrder.
    #[arg(long)]
    command: Option<String>,
    /// Only those for this order.
    #[arg(long, value_name = "ORDER_ID")]
    order: Option<String>,
    /// Only those for this customer.
    #[arg(long, value_name = "CUSTOMER_ID")]
    customer: Option<String>,
    /// Only those whose detail contains this text, in upper or lower case.
    #[arg(long)]
    text: Option<String>,
    /// Only those of this publisher (app_id).
    #[arg(long, value_name = "APP_ID")]
    publisher: Option<String>,
    /// Only those that last failed at least this long ago, such as 30m, 12h or 7d.
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,
    /// Only those that last failed within this time, such as 30m, 12h or 7d.
    #[arg(long, value_name = "AGE")]
    younger_than: Option<Age>,
    /// Only those in the same group as this one: the same code, command and pattern of the detail.
    #[arg(long, value_name = "ID")]
    like: Option<i64>,
}

/// Selects dead letters by ids, by a filter, or all.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// The ids, as `list` shows them. Instead of ids, use filters or --all.
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArguments,
    /// Select all: the open ones, or for `restore` the discarded ones.
    #[arg(long)]
    all: bool,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
}

impl FilterArguments {
    pub async fn filter(
        &self,
        database: &Database,
        state: Option<DeadLetterState>,
    ) -> Result<DeadLetterFilter, CommandFailed> {
        let ago = |age: Option<Age>| age.and_then(|age| age.before(SystemClock.now()));
        let filter = DeadLetterFilter {
            state,
            code: self.code.clone(),
            command: self.command.clone(),
            order_id: self.order.clone(),
            customer_id: self.customer.clone(),
            text: self.text.clone(),
            publisher: self.publisher.clone(),
            pattern: None,
            failed_until: ago(self.older_than),
            failed_from: ago(self.younger_than),
        };
        Ok(match self.like {
            Some(id) => alike(filter, dead_letter(database, id).await?.dead_letter),
            None => filter,
        })
    }

    fn is_empty(&self) -> bool {
        let texts =
            [&self.code, &self.command, &self.order, &self.customer, &self.text, &self.publisher];
        texts.iter().all(|text| text.is_none())
            && self.older_than.is_none()
            && self.younger_than.is_none()
            && self.like.is_none()
    }
}

impl Selection {
    /// The ids of the selected dead letters at this time, in ascending order or as given.
    pub async fn ids(
        &self,
        database: &Database,
        state: DeadLetterState,
    ) -> Result<Vec<i64>, CommandFailed> {
        if self.selects_by_ids()? {
            return Ok(self.ids.clone());
        }
        let filter = self.filter.filter(database, Some(state)).await?;
        Ok(database.dead_letters().dead_letter_ids(&filter, u32::MAX).await?)
    }

    /// The same for a replay: the open ones, and those that a crashed replay has claimed.
    pub async fn replayable_ids(&self, database: &Database) -> Result<Vec<i64>, CommandFailed> {
        if self.selects_by_ids()? {
            return Ok(self.ids.clone());
        }
        let filter = self.filter.filter(database, None).await?;
        Ok(replayable_ids(&*database.dead_letters(), &filter, u32::MAX, SystemClock.now()).await?)
    }

    /// Whether it selects by ids.
    ///
    /// # Errors
    /// Unless exactly one of ids, filters and `--all` is given.
    fn selects_by_ids(&self) -> Result<bool, CommandFailed> {
        match (self.ids.is_empty(), self.filter.is_empty(), self.all) {
            (false, true, false) => Ok(true),
            (true, false, false) | (true, true, true) => Ok(false),
            (true, true, false) => Err(CommandFailed::message(
                "select dead letters: pass ids, a filter such as --code, or --all",
            )),
            _ => Err(CommandFailed::message("pass either ids, or filters, or --all")),
        }
    }

    /// Asks for confirmation, unless a single dead letter is selected by its id.
    ///
    /// # Errors
    /// When the answer is no, or there is no terminal to ask on.
    pub fn confirm(&self, verb: &str, count: usize) -> Result<(), CommandFailed> {
        if self.yes || count == 0 || (count == 1 && !self.ids.is_empty()) {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(CommandFailed::message(format!(
                "this would {verb} {count} dead letters, and there is no terminal to confirm it: pass --yes"
            )));
        }
        eprint!("This will {verb} {count} dead letters. Continue? [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(CommandFailed::message("cancelled, nothing was changed")),
        }
    }
}
