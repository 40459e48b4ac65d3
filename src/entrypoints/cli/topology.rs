//! `topology`: the exchanges, queues and bindings on the broker.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use super::CommandFailed;
use super::output::{print_json, print_line, table};
use crate::adapters::rabbitmq::{OldQueues, RabbitError, RabbitMq, Repartition};
use crate::bootstrap::topology;
use crate::config::Settings;
use crate::service_layer::doctor::{QueueState, ResourceCheck, ResourceStatus};

/// Between two checks of the old queues.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub enum TopologyAction {
    /// Declare what is missing. Changes nothing that exists.
    Apply,
    /// Print the exchanges, queues and bindings of the settings as definitions for RabbitMQ
    /// (`rabbitmqctl import_definitions`). Needs no broker.
    Definitions {
        /// The virtual host.
        #[arg(long, default_value = "/")]
        vhost: String,
    },
    /// Compare exchanges and queues with the settings. Changes nothing.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the queues with their ready messages and consumers.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change the number of partitions from PARTITIONS to N while publishers go on.
    ///
    /// New commands wait in the new queues until the old ones are empty and the workers on them have
    /// stopped. Keep those workers running until this command asks you to stop them, then start workers
    /// with PARTITIONS=N. It can be interrupted and run again.
    Repartition {
        /// The new number of partitions, 1 to 64.
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
        new_number: u16,

        /// Whether the new queues have a single active consumer; as ORDERED says if not given.
        #[arg(long, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
        new_ordered: Option<bool>,
    },
}

impl TopologyAction {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let rabbitmq = || rabbitmq(settings, true);
        match self {
            Self::Definitions { vhost } => print_json(&topology(settings).definitions(&vhost)),
            Self::Apply => {
                rabbitmq()?.prepare().await?;
                print_line("The topology is declared.")
            }
            Self::Check { json } => report(&rabbitmq()?.check_topology().await?, json),
            Self::Show { json } => show(&rabbitmq()?.queues().await?, json),
            Self::Repartition { new_number, .. } if new_number == settings.partitions => {
                Err(CommandFailed::Message(format!(
                    "PARTITIONS is {new_number}: set it to the present number and name the new one"
                )))
            }
            Self::Repartition { new_number, new_ordered } => {
                let ordered = new_ordered.unwrap_or(settings.ordered);
                repartition(&rabbitmq()?, new_number, ordered).await
            }
        }
    }
}

async fn repartition(
    rabbitmq: &RabbitMq,
    partitions: u16,
    ordered: bool,
) -> Result<(), CommandFailed> {
    let repartition = rabbitmq.begin_repartition(partitions, ordered).await?;
    let progress = ProgressBar::new_spinner();
    if let Err(error) = wait_for_old_queues(&repartition, &progress).await {
        repartition.close().await;
        return Err(error.into());
    }
    repartition.finish().await?;
    progress.finish_and_clear();
    print_line(&format!("Done: start workers with PARTITIONS={partitions} ORDERED={ordered}."))
}

/// Waits until the old queues are empty and without consumers, and shows what is left.
async fn wait_for_old_queues(
    repartition: &Repartition,
    progress: &ProgressBar,
) -> Result<(), RabbitError> {
    let mut reported = None;
    let mut is_done_before = false;
    loop {
        let left = repartition.old_queues().await?;
        // Twice: a message on its way from a retry queue to the commands is in neither for a moment.
        if left.are_done() && is_done_before {
            return Ok(());
        }
        is_done_before = left.are_done();
        if reported.replace(left) != Some(left) {
            let OldQueues { ready, consumers } = left;
            let todo = match (ready, consumers) {
                (0, 0) => "done",
                (0, _) => "stop the workers now",
                (_, 0) => "start workers with the old PARTITIONS to process them",
                (_, _) => "the workers process them",
            };
            let line = format!("old queues: messages: {ready}, workers: {consumers}; {todo}");
            if progress.is_hidden() {
                eprintln!("{line}");
            } else {
                progress.set_message(line);
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The RabbitMQ server of the settings.
///
/// # Errors
/// When AMQP_URL is not set or invalid.
pub fn rabbitmq(settings: &Settings, declare: bool) -> Result<RabbitMq, CommandFailed> {
    let url = settings.broker_url()?.ok_or_else(|| {
        CommandFailed::Message(
            "AMQP_URL is not set: this command needs a RabbitMQ server".to_owned(),
        )
    })?;
    Ok(RabbitMq::new(url.expose(), topology(settings), declare)?)
}

fn show(queues: &[QueueState], json: bool) -> Result<(), CommandFailed> {
    if json {
        let queues: Vec<_> = queues
            .iter()
            .map(|queue| {
                let depth = queue.depth;
                json!({
                    "queue": queue.name,
                    "role": queue.role.as_str(),
                    "exists": depth.is_some(),
                    "ready": depth.map(|depth| depth.ready),
                    "consumers": depth.map(|depth| depth.consumers),
                })
            })
            .collect();
        return print_json(&queues);
    }
    let mut table = table(["queue", "role", "ready", "consumers"]);
    for QueueState { role, name, depth } in queues {
        let [ready, consumers] = match depth {
            Some(depth) => [depth.ready.to_string(), depth.consumers.to_string()],
            None => ["missing".to_owned(), String::new()],
        };
        table.add_row([name.as_str(), role.as_str(), &ready, &consumers]);
    }
    print_line(&table.to_string())
}

fn report(checks: &[ResourceCheck], json: bool) -> Result<(), CommandFailed> {
    let verdict = |check: &ResourceCheck| match &check.status {
        ResourceStatus::Matches => ("good", None),
        ResourceStatus::Missing => ("missing", None),
        ResourceStatus::Differs(difference) => ("different", Some(difference.clone())),
        ResourceStatus::AccessRefused(reason) => ("unknown", Some(reason.clone())),
    };
    if json {
        let checks: Vec<_> = checks
            .iter()
            .map(|check| {
                let (verdict, difference) = verdict(check);
                json!({"what": check.resource, "verdict": verdict, "difference": difference})
            })
            .collect();
        print_json(&checks)?;
    } else {
        let mut table = table(["what", "verdict", "difference"]);
        for check in checks {
            let (verdict, difference) = verdict(check);
            table.add_row([check.resource.as_str(), verdict, difference.as_deref().unwrap_or("")]);
        }
        print_line(&table.to_string())?;
    }
    let unmatched = checks.iter().filter(|check| check.status != ResourceStatus::Matches);
    let (refused, wrong): (Vec<_>, Vec<_>) =
        unmatched.partition(|check| matches!(check.status, ResourceStatus::AccessRefused(_)));
    match (wrong.len(), refused.len()) {
        (0, 0) => Ok(()),
        (0, refused) => Err(CommandFailed::Message(format!(
            "{refused} of {} could not be compared: the user needs the configure permission on them",
            checks.len()
        ))),
        (wrong, _) => Err(CommandFailed::Message(format!(
            "{wrong} of {} are missing or different; `order-worker topology apply` declares missing ones",
            checks.len()
        ))),
    }
}
