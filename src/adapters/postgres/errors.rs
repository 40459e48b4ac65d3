//! Maps errors of PostgreSQL to [`StoreError`] by their SQLSTATE.

use std::io::ErrorKind;

use sqlx::postgres::PgDatabaseError;

use crate::service_layer::StoreError;

/// SQLSTATE classes that are an outage: the server, the privileges of the session or the tables are
/// at fault, whatever the message was.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const OUTAGE_CLASSES: [&str; 12] = [
    "08", // connection exceptions
    "28", // invalid authorization specification: password, certificate
    "3D", // the database does not exist
    "3F", // the schema does not exist
    "42", // syntax error or access rule violation: a table, column or privilege is missing
    "53", // insufficient resources: disk, memory, connections
    "55", // object not in prerequisite state, or in use
    "57", // operator intervention: shutdown, crash recovery, not accepting connections yet
    "58", // system errors: files, I/O
    "F0", // configuration file errors
    "HV", // foreign data wrapper errors
    "XX", // internal errors: corrupted data or indexes
];

/// SQLSTATEs that are no message's fault as a rule, but may concern only the rows of one of them.
const FAILURES: [&str; 6] = [
    "2200H", // sequence generator limit exceeded
    "23502", // not-null violation: of a column unknown to this program, or set to null by a trigger
    "42501", // insufficient privilege, or a row-level security policy rejects a row
    "57014", // query canceled, by a user or by statement_timeout
    "XX001", // data corrupted
    "XX002", // index corrupted
];

/// The same for whole classes: functions, such as those of triggers, that are defined wrongly.
const FAILURE_CLASSES: [&str; 2] = [
    "2F", // SQL routine exceptions
    "39", // external routine invocation exceptions
];

/// Single SQLSTATEs that are an outage, from classes that are not.
const OUTAGES: [&str; 4] = [
    "25006", // read-only transaction: a standby, or default_transaction_read_only
    "25P03", // idle_in_transaction_session_timeout
    "25P04", // transaction_timeout
    "40003", // statement completion unknown
];

/// The transaction was rolled back, mostly because of a concurrent one, and has to be repeated.
const CONFLICTS: [&str; 5] = [
    "40000", // transaction rollback, without a more specific code
    "40001", // serialization failure
    "40002", // integrity constraint violation at commit
    "40P01", // deadlock detected
    "72000", // snapshot too old
];

/// The state of the session is wrong; a new session starts without it.
const LOST_SESSIONS: [&str; 3] = [
    "25P02", // in a failed transaction
    "26000", // a prepared statement does not exist, as after `discard all`
    "34000", // a cursor does not exist
];

/// A statement waited longer than `lock_timeout` for a lock.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Errors that another session may not have: see [`is_session_fault`].
const SESSION_FAULTS: [&str; 4] = [
    "25006", // its server is read-only now: no longer the primary
    "57P01", // admin shutdown
    "57P02", // crash shutdown
    "57P05", // idle_session_timeout
];

const UNDEFINED_TABLE: &str = "42P01";
const UNIQUE_VIOLATION: &str = "23505";

/// Keys under which a concurrent transaction may have inserted a row after this one read. Without
/// those of items and history: rows left over from a deleted order would conflict forever.
const CONFLICTING_KEYS: [&str; 2] = ["orders_pkey", "handled_messages_pkey"];

/// Maps an error. What is on none of the lists is the fault of a message: a constraint, a value out
/// of range, an error that a trigger raises.
///
/// The text of such an error contains only SQLSTATE, table and constraint, never the message of the
/// server: class 22 quotes values, and triggers raise any text.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    if let Some(error) = pg_error(error) {
        return database_error(error);
    }
    match error {
        sqlx::Error::ColumnDecode { index, source } if !is_type_mismatch(source.as_ref()) => {
            StoreError::Refused(format!("a row cannot be decoded: column {index}"))
        }
        sqlx::Error::Decode(_) => StoreError::Refused("a row cannot be decoded".to_owned()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn database_error(error: &PgDatabaseError) -> StoreError {
    let code = error.code();
    let text = || format!("{} (SQLSTATE {code})", error.message());
    let object = [error.table(), error.constraint()].into_iter().flatten().collect::<Vec<_>>();
    let names = || format!("SQLSTATE {code} {}", object.join(" ")).trim_end().to_owned();
    match code {
        LOCK_NOT_AVAILABLE if is_row_lock(error) => StoreError::Locked(Vec::new()),
        UNIQUE_VIOLATION if CONFLICTING_KEYS.contains(&error.constraint().unwrap_or_default()) => {
            StoreError::Conflict(names())
        }
        code if CONFLICTS.contains(&code) => StoreError::Conflict(names()),
        code if LOST_SESSIONS.contains(&code) || has_an_outdated_plan(error) => {
            StoreError::SessionLost(text())
        }
        code if FAILURES.contains(&code) || is_of(&FAILURE_CLASSES, code) => {
            StoreError::Failed(text())
        }
        code if OUTAGES.contains(&code) || is_of(&OUTAGE_CLASSES, code) || is_out_of_ids(error) => {
            StoreError::Unavailable(text())
        }
        _ => StoreError::Refused(names()),
    }
}

/// Whether the server has run out of transaction ids: it accepts no writes until it has been
/// vacuumed. The SQLSTATE alone (program limit exceeded) could also concern one row.
fn is_out_of_ids(error: &PgDatabaseError) -> bool {
    error.code() == "54000"
        && matches!(error.routine(), Some("GetNewTransactionId" | "GetNewMultiXactId"))
}

fn is_of(classes: &[&str], code: &str) -> bool {
    classes.iter().any(|class| code.starts_with(class))
}

/// Whether the statement waited for a row lock, or for an uncommitted row with the same key: then
/// the error has a context that names the row. After waiting for a table lock it has none.
fn is_row_lock(error: &PgDatabaseError) -> bool {
    error.r#where().is_some()
}

/// "cached plan must not change result type" (0A000): a table was altered since the statement was
/// prepared. Recognized by the function in the server's source, as the text may be localized.
fn has_an_outdated_plan(error: &PgDatabaseError) -> bool {
    error.code() == "0A000" && error.routine() == Some("RevalidateCachedQuery")
}

/// Whether the column has another type than this program expects: the fault of the schema, not of a
/// row.
fn is_type_mismatch(source: &(dyn std::error::Error + 'static)) -> bool {
    source.to_string().starts_with("mismatched types")
}

/// Whether the statement may succeed on another session: this one is broken, has an outdated plan,
/// or its server is no longer the primary. Not after a timeout: the caller has waited long enough.
pub(super) fn is_session_fault(error: &sqlx::Error) -> bool {
    match (error, pg_error(error)) {
        (_, Some(error)) => {
            has_an_outdated_plan(error)
                || SESSION_FAULTS.contains(&error.code())
                || LOST_SESSIONS.contains(&error.code())
        }
        (sqlx::Error::Io(error), None) => error.kind() != ErrorKind::TimedOut,
        (_, None) => false,
    }
}

pub(super) fn is_undefined_table(error: &sqlx::Error) -> bool {
    pg_error(error).is_some_and(|error| error.code() == UNDEFINED_TABLE)
}

/// Whether a lock of any kind was not available within `lock_timeout`.
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    pg_error(error).is_some_and(|error| error.code() == LOCK_NOT_AVAILABLE)
}

fn pg_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}
