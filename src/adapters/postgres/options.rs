//! The run-time parameters of each kind of session.

use sqlx::postgres::PgConnectOptions;

use crate::adapters::process_name::process_name;

/// Of every session.
///
/// The server sends TCP keepalives to a client that has been silent for 10 s, and ends the session
/// after three without a response, or when data is not acknowledged for 20 s. By default, a client
/// whose machine vanished keeps its locks for two hours. For the other direction see `Session`.
const SESSION: [(&str, &str); 7] = [
    ("timezone", "UTC"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("default_transaction_isolation", "read committed"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20s"),
];

/// Of sessions that write.
const WRITES: [(&str, &str); 2] = [("statement_timeout", "30s"), ("lock_timeout", "10s")];

/// A lane waits only briefly for a lock: it parks the messages of a locked order.
const LANES: [(&str, &str); 1] = [("lock_timeout", "1s")];

/// The relay sends a statement every 5 s; if not, its session ends and another worker gets the
/// lock.
const RELAY: [(&str, &str); 1] = [("idle_session_timeout", "20s")];

const READS: [(&str, &str); 1] = [("statement_timeout", "10s")];

/// Batch statements take arrays whose sizes the planner does not know. Planned while a table is
/// small, a cached plan would scan the table forever.
const BATCH_PLANS: [(&str, &str); 2] =
    [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];

/// A filter or an age may match few rows or all of them, so each statement is planned with its
/// values.
const DEAD_LETTER_PLANS: [(&str, &str); 2] =
    [("plan_cache_mode", "force_custom_plan"), ("enable_seqscan", "on")];

/// Adds the parameters of every session, and the application name unless the address sets one.
pub(super) fn of_each_session(options: PgConnectOptions) -> PgConnectOptions {
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name(&process_name()),
    };
    options.options(SESSION)
}

pub(super) fn of_lanes(options: PgConnectOptions) -> PgConnectOptions {
    options.options(WRITES).options(LANES).options(BATCH_PLANS)
}

pub(super) fn of_relay(options: PgConnectOptions) -> PgConnectOptions {
    options.options(WRITES).options(RELAY).options(BATCH_PLANS)
}

pub(super) fn of_readers(options: PgConnectOptions) -> PgConnectOptions {
    options.options(READS)
}

/// Without cached prepared statements: an outdated plan would abort a transaction.
pub(super) fn of_dead_letters(options: PgConnectOptions) -> PgConnectOptions {
    let options = options.options(WRITES).options(DEAD_LETTER_PLANS);
    options.statement_cache_capacity(0)
}
