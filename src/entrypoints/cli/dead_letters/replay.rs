//! Replaying dead letters from the command line.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ActorArguments;
use super::selection::Selection;
use crate::adapters::clock::SystemClock;
use crate::bootstrap::{Broker, Database};
use crate::config::Settings;
use crate::entrypoints::cli::output::{print_json, print_line, printable, table};
use crate::entrypoints::cli::topology::rabbitmq;
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::service_layer::dead_letters::{
    DeadLetterRecord, DryRunOutcome, Progress, Replay as Replaying, ReplayLimits, ReplaySchedule,
    interval,
};

#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    actor: ActorArguments,
    /// Only try what would come of it: nothing is published and nothing changes.
    #[arg(long)]
    dry_run: bool,
    /// The sizes of the steps; each waits for the outcomes of the one before.
    #[arg(long, value_name = "1,2,5,20,all", default_value = "all")]
    pace: ReplaySchedule,
    /// Most messages in a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Stop after a step when so many have failed again.
    #[arg(long, value_name = "N")]
    stop_after_failures: Option<usize>,
    /// Leave dead letters alone that have been replayed so often.
    #[arg(long, value_name = "N", default_value_t = 5)]
    most_replays: u32,
    /// Replay commands that their orders have overtaken as well.
    #[arg(long)]
    force: bool,
    /// Seconds to wait for the outcomes of a step.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let ids = self.selection.replayable_ids(&database).await?;
        if self.dry_run {
            return self.rehearse(&ids, &database).await;
        }
        let rabbitmq = rabbitmq(settings, false)?;
        self.selection.confirm("Replay", ids.len())?;
        let broker = Broker::RabbitMq(rabbitmq.clone());
        let replayed = self.replay(&ids, &database, &broker).await;
        rabbitmq.close().await;
        replayed
    }

    async fn rehearse(&self, ids: &[i64], database: &Database) -> Result<(), CommandFailed> {
        let mut rehearsal = database.dry_run();
        let progress = progress(ids.len(), self.json);
        let mut prospects = Vec::with_capacity(ids.len());
        for &id in ids {
            if let Some(stored) = database.dead_letters().dead_letter(id).await? {
                let prospect = rehearsal.of(&stored).await?.prospect;
                prospects.push((stored, prospect));
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        self.print_prospects(&prospects)?;
        match ids.len() - prospects.len() {
            0 => Ok(()),
            missing => Err(CommandFailed::Told(format!("{missing} of them are not there"))),
        }
    }

    fn print_prospects(
        &self,
        prospects: &[(DeadLetterRecord, DryRunOutcome)],
    ) -> Result<(), CommandFailed> {
        if self.json {
            let lines = prospects.iter().map(|(stored, prospect)| {
                json!({"id": stored.id, "prospect": prospect.as_str(), "detail": prospect.detail()})
            });
            return print_json(&lines.collect::<Vec<_>>());
        }
        let mut table = table(["id", "command", "order", "would be", "detail"]);
        for (stored, prospect) in prospects {
            let subject = &stored.dead_letter.subject;
            table.add_row([
                stored.id.to_string(),
                printable(subject.command.as_deref().unwrap_or_default()),
                printable(subject.order_id.as_deref().unwrap_or_default()),
                prospect.as_str().to_owned(),
                printable(&prospect.detail()),
            ]);
        }
        print_line(&table.to_string())?;
        print_line("Nothing was published, nothing has changed.")
    }

    async fn replay(
        &self,
        ids: &[i64],
        database: &Database,
        broker: &Broker,
    ) -> Result<(), CommandFailed> {
        let mut replaying = Replaying {
            dead_letters: database.dead_letters(),
            orders: database.orders(),
            rehearsal: database.dry_run(),
            publisher: broker.publisher(),
            clock: Arc::new(SystemClock),
            actor: self.actor.actor(),
            limits: self.limits(),
            stop: CancellationToken::new(),
        };
        let progress = progress(ids.len(), self.json);
        let mut done: Vec<Progress> = Vec::with_capacity(ids.len());
        let ended = replaying
            .run(ids, |one| {
                progress.inc(1);
                done.push(one);
            })
            .await;
        progress.finish_and_clear();
        self.print_done(&done)?;
        Self::judge(&done, ended?)
    }

    fn limits(&self) -> ReplayLimits {
        ReplayLimits {
            pace: self.pace.clone(),
            interval: self.rate.map(interval),
            stop_after_failures: self.stop_after_failures,
            most_replays: self.most_replays,
            force: self.force,
            outcomes_within: Duration::from_secs(self.wait),
        }
    }

    fn print_done(&self, done: &[Progress]) -> Result<(), CommandFailed> {
        if self.json {
            let lines = done.iter().map(|Progress { id, replayed }| {
                json!({"id": id, "outcome": replayed.as_str(), "detail": replayed.detail()})
            });
            return print_json(&lines.collect::<Vec<_>>());
        }
        let mut table = table(["id", "outcome", "detail"]);
        for Progress { id, replayed } in done {
            table.add_row([
                id.to_string(),
                replayed.as_str().to_owned(),
                printable(&replayed.detail()),
            ]);
        }
        print_line(&table.to_string())
    }

    /// A failure unless all that were meant have been handled.
    fn judge(done: &[Progress], not_tried: usize) -> Result<(), CommandFailed> {
        if not_tried > 0 {
            let failed = done.iter().filter(|one| one.replayed.is_failure()).count();
            return Err(CommandFailed::Told(format!(
                "stopped after {failed} failures; {not_tried} were not tried"
            )));
        }
        match done.iter().filter(|one| !one.replayed.is_handled()).count() {
            0 => Ok(()),
            others => Err(CommandFailed::Told(format!("{others} were not handled"))),
        }
    }
}

fn progress(count: usize, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(count as u64).with_style(style)
}
