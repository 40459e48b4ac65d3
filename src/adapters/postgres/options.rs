//! What each kind of session asks of the server.

use sqlx::postgres::PgConnectOptions;

/// Settings of each session.
///
/// The server asks a client that has been silent for 10 s for a sign of life, and ends the session
/// after three unanswered questions, or when what it sends is not acknowledged for 20 s: else a client
/// whose machine vanished keeps its locks for two hours. For the other direction see
/// `Session`.
const SESSION: [(&str, &str); 7] = [
    ("timezone", "UTC"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("default_transaction_isolation", "read committed"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20s"),
];

/// Settings of each session that writes.
const WRITES: [(&str, &str); 2] = [("statement_timeout", "30s"), ("lock_timeout", "10s")];

/// A lane waits for no lock for long: it sets the messages of a locked order aside.
const LANES: [(&str, &str); 1] = [("lock_timeout", "1s")];

/// The relay's session says something every five seconds; if not, its lock is to go to another.
const RELAY: [(&str, &str); 1] = [("idle_session_timeout", "20s")];

const READS: [(&str, &str); 1] = [("statement_timeout", "10s")];

/// A batch names its rows by arrays, whose sizes the planner cannot know: planned while a table is
/// still small, a statement would scan it for ever after.
const PLANS_OF_BATCHES: [(&str, &str); 2] =
    [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];

/// A filter or an age finds few rows or all of them: the values tell.
const PLANS_OF_DEAD_LETTERS: [(&str, &str); 2] =
    [("plan_cache_mode", "force_custom_plan"), ("enable_seqscan", "on")];

/// The name of this process in `pg_stat_activity`, unless the address gives one.
pub(super) fn of_each_session(options: PgConnectOptions) -> PgConnectOptions {
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name(&process_name()),
    };
    options.options(SESSION)
}

pub(super) fn of_lanes(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options(WRITES).options(LANES).options(PLANS_OF_BATCHES)
}

pub(super) fn of_relay(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options(WRITES).options(RELAY).options(PLANS_OF_BATCHES)
}

pub(super) fn of_readers(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options(READS)
}

/// Without prepared statements: none of their plans can be outdated, which would end a transaction.
pub(super) fn of_dead_letters(options: &PgConnectOptions) -> PgConnectOptions {
    let options = options.clone().options(WRITES).options(PLANS_OF_DEAD_LETTERS);
    options.statement_cache_capacity(0)
}

/// Program, machine and process, in the 63 bytes that PostgreSQL keeps.
fn process_name() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine: String = machine.trim().chars().take(38).collect();
    format!("order-worker {machine}:{}", std::process::id())
}
