//! Examines the broker, the database and what waits in them, and says what to do about it.
//!
//! Adapters gather facts and change nothing; the rules here judge them. The command line and the
//! console show the same [`Report`].

mod broker;
mod database;
mod finding;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

pub use broker::{
    BrokerFacts, Permission, PermissionCheck, QueueRole, QueueState, ResourceCheck, ResourceStatus,
};
pub use database::{DatabaseFacts, ServerFacts};
pub use finding::{CheckResult, Finding, Report};

/// The timeout for all facts of one server.
pub const EXAMINATION_TIMEOUT: Duration = Duration::from_secs(25);

/// A broker that can be examined.
#[async_trait]
pub trait BrokerProbe: Debug + Send + Sync {
    /// Gathers as many facts as it can. MUST NOT change anything on the broker.
    ///
    /// # Errors
    /// With the reason when no connection can be opened.
    async fn facts(&self) -> Result<BrokerFacts, String>;
}

/// A database that can be examined.
#[async_trait]
pub trait DatabaseProbe: Debug + Send + Sync {
    /// Gathers as many facts as it can. MUST NOT change anything in the database.
    ///
    /// # Errors
    /// With the reason when no session can be opened.
    async fn facts(&self) -> Result<DatabaseFacts, String>;
}

/// What to examine, and the settings that decide what is expected.
#[derive(Debug)]
pub struct Doctor {
    /// `None` with the in-process broker.
    pub broker: Option<Box<dyn BrokerProbe>>,
    pub database: Box<dyn DatabaseProbe>,
    pub expected: Expected,
}

/// The settings that decide what is expected.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The addresses of the servers, without passwords.
    pub broker_address: String,
    pub database_address: String,
    pub partitions: u16,
    /// Whether a worker declares exchanges and queues that are missing.
    pub declares_topology: bool,
    /// Whether workers move dead letters into the table.
    pub collects_dead_letters: bool,
    /// Whether a worker migrates the tables at start.
    pub migrates: bool,
}

impl Doctor {
    /// Examines both servers at the same time, each for at most [`EXAMINATION_TIMEOUT`].
    pub async fn examine(&self) -> Report {
        let (of_broker, of_database) = tokio::join!(self.examine_broker(), self.examine_database());
        Report::of([of_broker, of_database].concat())
    }

    async fn examine_broker(&self) -> Vec<Finding> {
        let Some(broker) = &self.broker else {
            return vec![Finding::ok("broker", "in-process: AMQP_URL is not set")];
        };
        match timeout(EXAMINATION_TIMEOUT, broker.facts()).await {
            Ok(Ok(facts)) => broker::judge(&facts, &self.expected),
            Ok(Err(reason)) => broker::unreachable(&reason, &self.expected),
            Err(_) => broker::unreachable(&no_response(), &self.expected),
        }
    }

    async fn examine_database(&self) -> Vec<Finding> {
        match timeout(EXAMINATION_TIMEOUT, self.database.facts()).await {
            Ok(Ok(facts)) => database::judge(&facts, &self.expected),
            Ok(Err(reason)) => database::unreachable(&reason, &self.expected),
            Err(_) => database::unreachable(&no_response(), &self.expected),
        }
    }
}

/// The findings of a worker's own readiness checks: names, each with its problem.
pub fn readiness<'a>(checks: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Vec<Finding> {
    let (mut findings, mut passed) = (Vec::new(), Vec::new());
    for (name, problem) in checks {
        match problem {
            None => passed.push(name),
            Some(problem) => findings.push(
                Finding::error(format!("worker: {name}"), problem)
                    .meaning("The worker is not ready. It retries by itself.")
                    .fix("read the worker's log, which contains the server's error"),
            ),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("worker", format!("ready: {}", passed.join(", "))));
    }
    findings
}

fn no_response() -> String {
    format!("no complete response within {} s", EXAMINATION_TIMEOUT.as_secs())
}
