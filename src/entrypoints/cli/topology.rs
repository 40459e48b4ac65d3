//! `topology`: the exchanges, queues and bindings on the broker.

use clap::Subcommand;
use serde_json::json;

use super::CommandFailed;
use super::output::{print_json, print_line, table};
use crate::adapters::rabbitmq::{RabbitMq, ResourceCheck, ResourceStatus};
use crate::bootstrap::topology;
use crate::config::Settings;

#[derive(Debug, Subcommand)]
pub enum TopologyAction {
    /// Declare what is missing. Changes nothing that exists.
    Apply,
    /// Compare exchanges and queues with the settings. Changes nothing.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl TopologyAction {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let rabbitmq = rabbitmq(settings, true)?;
        match self {
            Self::Apply => {
                rabbitmq.prepare().await?;
                print_line("The topology is declared.")
            }
            Self::Check { json } => report(&rabbitmq.check_topology().await?, json),
        }
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

fn report(checks: &[ResourceCheck], json: bool) -> Result<(), CommandFailed> {
    let verdict = |check: &ResourceCheck| match &check.status {
        ResourceStatus::Matches => ("good", None),
        ResourceStatus::Missing => ("missing", None),
        ResourceStatus::Differs(difference) => ("different", Some(difference.clone())),
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
    match checks.iter().filter(|check| check.status != ResourceStatus::Matches).count() {
        0 => Ok(()),
        wrong => Err(CommandFailed::Message(format!(
            "{wrong} of {} are missing or different; `order-worker topology apply` declares missing ones",
            checks.len()
        ))),
    }
}
