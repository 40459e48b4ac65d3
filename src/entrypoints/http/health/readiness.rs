//! All that has to be well before the worker can work.

use serde::Serialize;

use super::database::DatabaseAnswer;
use crate::entrypoints::http::App;
use crate::service_layer::{Outages, RelayRole};

/// Whether the worker can work, and what keeps it from it.
#[derive(Debug, Serialize)]
pub struct Readiness {
    pub ready: bool,
    checks: [Check; 6],
    /// Who publishes what a crash left in the outbox. Nothing of it keeps this worker from its work.
    relay: &'static str,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'static str>,
}

impl Check {
    fn new(what: &'static str, trouble: Option<&'static str>) -> Self {
        Self { what, good: trouble.is_none(), trouble }
    }
}

impl Readiness {
    pub async fn of(app: &App) -> Self {
        let database = match app.database() {
            Ok(database) => Some(app.database_check.answer(database).await),
            Err(_) => None,
        };
        app.look_whether_blocked();
        let troubles = app.health.troubles();
        let consumes = app.health.consumes_commands();
        let checks = [
            Check::new("database", of_database(database)),
            Check::new("migrations", of_migrations(database)),
            Check::new("broker", of_broker(&troubles)),
            Check::new("consumer", (!consumes).then_some("the broker has not confirmed one")),
            Check::new("not blocked", of_block(&troubles)),
            Check::new("not paused", of_pauses(&troubles)),
        ];
        let relay = of_relay(&app.health.relay());
        Self { ready: checks.iter().all(|check| check.good), checks, relay }
    }
}

fn of_relay(relay: &RelayRole) -> &'static str {
    match relay {
        RelayRole::Unknown => "unknown",
        RelayRole::ThisWorker => "this worker",
        RelayRole::Another(_) if relay.is_idle() => "a session that does nothing, see the log",
        RelayRole::Another(_) => "another worker",
    }
}

fn of_database(answer: Option<DatabaseAnswer>) -> Option<&'static str> {
    match answer {
        None => Some("the worker still waits for it"),
        Some(DatabaseAnswer::None) => Some("it does not answer"),
        Some(DatabaseAnswer::Migrated | DatabaseAnswer::NotMigrated) => None,
    }
}

fn of_migrations(answer: Option<DatabaseAnswer>) -> Option<&'static str> {
    match answer {
        Some(DatabaseAnswer::Migrated) => None,
        Some(DatabaseAnswer::NotMigrated) => Some("the tables are not those of this program"),
        None | Some(DatabaseAnswer::None) => Some("unknown while the database does not answer"),
    }
}

fn of_broker(troubles: &Outages) -> Option<&'static str> {
    match (&troubles.consuming, &troubles.publishing) {
        (None, None) => None,
        (Some(_), None) => Some("commands cannot be consumed"),
        (None, Some(_)) => Some("messages cannot be published"),
        (Some(_), Some(_)) => Some("commands cannot be consumed, messages cannot be published"),
    }
}

fn of_block(troubles: &Outages) -> Option<&'static str> {
    troubles.blocked.as_ref().map(|_| "the broker blocks publishing (memory or disk alarm)")
}

/// Dead letters that are not collected keep no command from being handled.
fn of_pauses(troubles: &Outages) -> Option<&'static str> {
    let broker = [&troubles.consuming, &troubles.publishing, &troubles.blocked];
    match (troubles.database.is_some(), broker.iter().any(|trouble| trouble.is_some())) {
        (false, false) => None,
        (true, false) => Some("work waits for the database"),
        (false, true) => Some("work waits for the broker"),
        (true, true) => Some("work waits for the database and for the broker"),
    }
}
