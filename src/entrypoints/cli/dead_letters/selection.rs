//! Which dead letters are meant.

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

/// Every part that is given must hold.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArguments {
    /// Only those with this code, such as order_not_found.
    #[arg(long)]
    code: Option<String>,
    /// Only this command, such as PlaceOrder.
    #[arg(long)]
    command: Option<String>,
    /// Only those for this order.
    #[arg(long, value_name = "ORDER_ID")]
    order: Option<String>,
    /// Only those for this customer.
    #[arg(long, value_name = "CUSTOMER_ID")]
    customer: Option<String>,
    /// Only those whose detail contains this text, in whatever case.
    #[arg(long)]
    text: Option<String>,
    /// Only those of this publisher (its app_id).
    #[arg(long, value_name = "APP_ID")]
    publisher: Option<String>,
    /// Only those that failed last at least so long ago, such as 30m, 12h or 7d.
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,
    /// Only those that failed last within this time, such as 30m, 12h or 7d.
    #[arg(long, value_name = "AGE")]
    younger_than: Option<Age>,
    /// Only those that look like this one: the same code, command and pattern of the detail.
    #[arg(long, value_name = "ID")]
    like: Option<i64>,
}

/// The dead letters that something is done with.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// The ids, as `list` shows them.
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArguments,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// Do not ask.
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
    /// The ids of what is meant at this moment, in the order in which they came.
    pub async fn ids(
        &self,
        database: &Database,
        state: DeadLetterState,
    ) -> Result<Vec<i64>, CommandFailed> {
        if self.names_ids()? {
            return Ok(self.ids.clone());
        }
        let filter = self.filter.filter(database, Some(state)).await?;
        Ok(database.dead_letters().dead_letter_ids(&filter, u32::MAX).await?)
    }

    /// The open ones, and those that somebody took for a replay and never finished.
    pub async fn replayable_ids(&self, database: &Database) -> Result<Vec<i64>, CommandFailed> {
        if self.names_ids()? {
            return Ok(self.ids.clone());
        }
        let filter = self.filter.filter(database, None).await?;
        Ok(replayable_ids(&*database.dead_letters(), &filter, u32::MAX, SystemClock.now()).await?)
    }

    /// Whether it names ids, rather than what they have in common.
    ///
    /// # Errors
    /// When it does both or neither.
    fn names_ids(&self) -> Result<bool, CommandFailed> {
        match (self.ids.is_empty(), self.filter.is_empty(), self.all) {
            (false, true, false) => Ok(true),
            (true, false, false) | (true, true, true) => Ok(false),
            (true, true, false) => {
                Err(CommandFailed::told("name ids, or a filter such as --code, or --all"))
            }
            _ => Err(CommandFailed::told("name either ids, or a filter, or --all")),
        }
    }

    /// Asks whether to go on, unless it is only about a dead letter that was named.
    pub fn confirm(&self, what: &str, count: usize) -> Result<(), CommandFailed> {
        if self.yes || count == 0 || (count == 1 && !self.ids.is_empty()) {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(CommandFailed::told(format!("{what} {count} dead letters: say --yes")));
        }
        eprint!("{what} {count} dead letters? [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(CommandFailed::told("nothing was done")),
        }
    }
}
