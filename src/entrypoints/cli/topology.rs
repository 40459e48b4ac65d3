//! `topology`: the exchanges, queues and bindings on the broker.

use clap::Subcommand;
use serde_json::json;

use super::CommandFailed;
use super::output::{print_json, print_line, table};
use crate::adapters::rabbitmq::{Finding, RabbitMq, ResourceStatus};
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

fn report(findings: &[Finding], json: bool) -> Result<(), CommandFailed> {
    let verdict = |finding: &Finding| match &finding.verdict {
        ResourceStatus::Good => ("good", None),
        ResourceStatus::Missing => ("missing", None),
        ResourceStatus::Different(difference) => ("different", Some(difference.clone())),
    };
    if json {
        let findings: Vec<_> = findings
            .iter()
            .map(|finding| {
                let (verdict, difference) = verdict(finding);
                json!({"what": finding.what, "verdict": verdict, "difference": difference})
            })
            .collect();
        print_json(&findings)?;
    } else {
        let mut table = table(["what", "verdict", "difference"]);
        for finding in findings {
            let (verdict, difference) = verdict(finding);
            table.add_row([finding.what.as_str(), verdict, difference.as_deref().unwrap_or("")]);
        }
        print_line(&table.to_string())?;
    }
    match findings.iter().filter(|finding| finding.verdict != ResourceStatus::Good).count() {
        0 => Ok(()),
        wrong => Err(CommandFailed::Message(format!(
            "{wrong} of {} are missing or different; `order-worker topology apply` declares missing ones",
            findings.len()
        ))),
    }
}
