//! `dead-letters replay`.

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
    DeadLetterRecord, DryRunOutcome, Replay as ReplayRun, ReplayLimits, ReplayResult,
    ReplaySchedule, interval,
};

#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    actor: ActorArguments,
    /// Show the outcomes that a replay would have now. Publishes and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// The sizes of the steps. Each step waits for the outcomes of the one before; the last size
    /// repeats.
    #[arg(long = "pace", value_name = "1,2,5,20,all", default_value = "all")]
    schedule: ReplaySchedule,
    /// Maximum messages per second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Stop after the step in which this many have failed again.
    #[arg(long, value_name = "N")]
    stop_after_failures: Option<usize>,
    /// Skip dead letters that have been replayed this often.
    #[arg(long = "most-replays", value_name = "N", default_value_t = 5)]
    max_replays: u32,
    /// Also replay superseded commands: the order's status has changed since they failed.
    #[arg(long)]
    force: bool,
    /// Maximum seconds to wait for the outcomes of a step.
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
            return self.run_dry(&ids, &database).await;
        }
        let rabbitmq = rabbitmq(settings, false)?;
        self.selection.confirm("replay", ids.len())?;
        let broker = Broker::RabbitMq(rabbitmq.clone());
        let replayed = self.replay(&ids, &database, &broker).await;
        rabbitmq.close().await;
        replayed
    }

    async fn run_dry(&self, ids: &[i64], database: &Database) -> Result<(), CommandFailed> {
        let mut dry_run = database.dry_run();
        let progress = progress(ids.len(), self.json);
        let mut outcomes = Vec::with_capacity(ids.len());
        for &id in ids {
            if let Some(record) = database.dead_letters().dead_letter(id).await? {
                let outcome = dry_run.of(&record).await?.outcome;
                outcomes.push((record, outcome));
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        self.print_dry_run(&outcomes)?;
        match ids.len() - outcomes.len() {
            0 => Ok(()),
            missing => Err(CommandFailed::Message(format!(
                "{missing} of {} dead letters do not exist",
                ids.len()
            ))),
        }
    }

    fn print_dry_run(
        &self,
        outcomes: &[(DeadLetterRecord, DryRunOutcome)],
    ) -> Result<(), CommandFailed> {
        if self.json {
            let lines = outcomes.iter().map(|(record, outcome)| {
                json!({"id": record.id, "prospect": outcome.as_str(), "detail": outcome.detail()})
            });
            return print_json(&lines.collect::<Vec<_>>());
        }
        let mut table = table(["id", "command", "order", "would be", "detail"]);
        for (record, outcome) in outcomes {
            let subject = &record.dead_letter.subject;
            table.add_row([
                record.id.to_string(),
                printable(subject.command.as_deref().unwrap_or_default()),
                printable(subject.order_id.as_deref().unwrap_or_default()),
                outcome.as_str().to_owned(),
                printable(&outcome.detail()),
            ]);
        }
        print_line(&table.to_string())?;
        print_line("Dry run: nothing was published or changed.")
    }

    async fn replay(
        &self,
        ids: &[i64],
        database: &Database,
        broker: &Broker,
    ) -> Result<(), CommandFailed> {
        let mut replay = ReplayRun {
            dead_letters: database.dead_letters(),
            orders: database.orders(),
            dry_run: database.dry_run(),
            publisher: broker.publisher(),
            clock: Arc::new(SystemClock),
            actor: self.actor.actor(),
            limits: self.limits(),
            stop: CancellationToken::new(),
        };
        let progress = progress(ids.len(), self.json);
        let mut results: Vec<ReplayResult> = Vec::with_capacity(ids.len());
        let not_tried = replay
            .run(ids, |result| {
                progress.inc(1);
                results.push(result);
            })
            .await;
        progress.finish_and_clear();
        self.print_results(&results)?;
        Self::check(&results, not_tried?)
    }

    fn limits(&self) -> ReplayLimits {
        ReplayLimits {
            schedule: self.schedule.clone(),
            interval: self.rate.map(interval),
            stop_after_failures: self.stop_after_failures,
            max_replays: self.max_replays,
            force: self.force,
            outcome_timeout: Duration::from_secs(self.wait),
        }
    }

    fn print_results(&self, results: &[ReplayResult]) -> Result<(), CommandFailed> {
        if self.json {
            let lines = results.iter().map(|ReplayResult { id, outcome }| {
                json!({"id": id, "outcome": outcome.as_str(), "detail": outcome.detail()})
            });
            return print_json(&lines.collect::<Vec<_>>());
        }
        let mut table = table(["id", "outcome", "detail"]);
        for ReplayResult { id, outcome } in results {
            table.add_row([
                id.to_string(),
                outcome.as_str().to_owned(),
                printable(&outcome.detail()),
            ]);
        }
        print_line(&table.to_string())
    }

    /// # Errors
    /// Unless all dead letters were processed.
    fn check(results: &[ReplayResult], not_tried: usize) -> Result<(), CommandFailed> {
        if not_tried > 0 {
            let failed = results.iter().filter(|result| result.outcome.is_failure()).count();
            return Err(CommandFailed::Message(format!(
                "stopped after {failed} failures; {not_tried} were not tried"
            )));
        }
        match results.iter().filter(|result| !result.outcome.is_handled()).count() {
            0 => Ok(()),
            others => Err(CommandFailed::Message(format!(
                "{others} of {} dead letters were not processed",
                results.len()
            ))),
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
