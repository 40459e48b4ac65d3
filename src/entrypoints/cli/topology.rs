//! `topology`: the exchanges, queues and bindings on the broker.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Subcommand};
use indicatif::ProgressBar;
use serde_json::json;

use super::CommandFailed;
use super::output::{print_json, print_line, table};
use crate::adapters::rabbitmq::{OldQueues, RabbitMq, ResourceCheck, ResourceStatus};
use crate::bootstrap::topology;
use crate::config::Settings;

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
    let mut reported = None;
    let mut is_done_before = false;
    loop {
        let left = repartition.old_queues().await?;
        // Twice: a message on its way from a retry queue to the commands is in neither for a moment.
        if left.are_done() && is_done_before {
            break;
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
    repartition.finish().await?;
    progress.finish_and_clear();
    print_line(&format!("Done: start workers with PARTITIONS={partitions} ORDERED={ordered}."))
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

fn report(checks: &[ResourceCheck], json: bool) -> Result<(), CommandFailed> {
    let verdict = |check: &ResourceCheck| match &check.status {
        ResourceStatus::Matches => ("good", None),
        ResourceStatus::Missing => ("missing", None),
        ResourceStatus::Differs(difference) => ("different", Some(difference.clone())),
        ResourceStatus::NotPermitted(reason) => ("not permitted", Some(reason.clone())),
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
    let is_not_permitted =
        |check: &&ResourceCheck| matches!(check.status, ResourceStatus::NotPermitted(_));
    let not_permitted = checks.iter().filter(is_not_permitted).count();
    let unmatched = checks.iter().filter(|check| check.status != ResourceStatus::Matches).count();
    match (unmatched - not_permitted, not_permitted) {
        (0, 0) => Ok(()),
        (0, hidden) => Err(CommandFailed::Message(format!(
            "{hidden} of {} could not be compared: the user needs the configure permission on them",
            checks.len()
        ))),
        (wrong, _) => Err(CommandFailed::Message(format!(
            "{wrong} of {} are missing or different; `order-worker topology apply` declares missing ones",
            checks.len()
        ))),
    }
}
