//! Readiness: everything that the worker needs to process commands.

use serde::Serialize;

use super::database::DatabaseStatus;
use crate::entrypoints::http::App;
use crate::service_layer::{Outages, RelayRole};

/// Whether the worker can process commands, and what prevents it.
#[derive(Debug, Serialize)]
pub struct Readiness {
    pub ready: bool,
    checks: [Check; 7],
    /// Which worker publishes what a crash left in the outbox. It does not affect readiness.
    relay: &'static str,
}

#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "what")]
    name: &'static str,
    #[serde(rename = "good")]
    passed: bool,
    #[serde(rename = "trouble", skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

impl Check {
    fn new(name: &'static str, problem: Option<&'static str>) -> Self {
        Self { name, passed: problem.is_none(), problem }
    }
}

impl Readiness {
    /// The names of the checks, each with its problem.
    pub fn results(&self) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        self.checks.iter().map(|check| (check.name, check.problem))
    }

    pub async fn of(app: &App) -> Self {
        let database = match app.database() {
            Ok(database) => Some(app.database_check.status(database, &app.health).await),
            Err(_) => None,
        };
        app.check_blocked();
        let outages = app.health.outages();
        let consumes = app.health.is_consuming_commands();
        let checks = [
            Check::new("database", of_database(database)),
            Check::new("migrations", of_migrations(database)),
            Check::new("broker", of_broker(&outages)),
            Check::new(
                "consumer",
                (!consumes).then_some("the broker has not confirmed the consumer"),
            ),
            Check::new("not blocked", of_block(&outages)),
            Check::new("not paused", of_pauses(&outages)),
            Check::new(
                "not stopping",
                app.health.is_stopping().then_some("the worker is stopping"),
            ),
        ];
        let relay = of_relay(&app.health.relay_role());
        Self { ready: checks.iter().all(|check| check.passed), checks, relay }
    }
}

fn of_relay(relay: &RelayRole) -> &'static str {
    match relay {
        RelayRole::Unknown => "unknown",
        RelayRole::ThisWorker => "this worker",
        RelayRole::Another(_) if relay.is_idle() => "an idle session, see the log",
        RelayRole::Another(_) => "another worker",
    }
}

fn of_database(status: Option<DatabaseStatus>) -> Option<&'static str> {
    match status {
        None => Some("not connected yet"),
        Some(DatabaseStatus::Unavailable) => Some("unavailable"),
        Some(DatabaseStatus::Migrated | DatabaseStatus::NotMigrated | DatabaseStatus::TooNew) => {
            None
        }
    }
}

fn of_migrations(status: Option<DatabaseStatus>) -> Option<&'static str> {
    match status {
        Some(DatabaseStatus::Migrated) => None,
        Some(DatabaseStatus::NotMigrated) => {
            Some("the tables are missing or older than this worker: run `order-worker migrate`")
        }
        Some(DatabaseStatus::TooNew) => Some("the tables need a newer version of the worker"),
        None | Some(DatabaseStatus::Unavailable) => {
            Some("unknown while the database is unavailable")
        }
    }
}

fn of_broker(outages: &Outages) -> Option<&'static str> {
    match (&outages.consuming, &outages.publishing) {
        (None, None) => None,
        (Some(_), None) => Some("commands cannot be consumed"),
        (None, Some(_)) => Some("messages cannot be published"),
        (Some(_), Some(_)) => Some("commands cannot be consumed, messages cannot be published"),
    }
}

fn of_block(outages: &Outages) -> Option<&'static str> {
    outages.blocked.as_ref().map(|_| "the broker blocks publishing (memory or disk alarm)")
}

/// An outage of the collector of dead letters does not pause commands.
fn of_pauses(outages: &Outages) -> Option<&'static str> {
    let broker = [&outages.consuming, &outages.publishing, &outages.blocked];
    match (outages.database.is_some(), broker.iter().any(|outage| outage.is_some())) {
        (false, false) => None,
        (true, false) => Some("paused: database unavailable"),
        (false, true) => Some("paused: broker unavailable"),
        (true, true) => Some("paused: database and broker unavailable"),
    }
}
