//! Whose fault an error of PostgreSQL is, told by its SQLSTATE.

use std::io::ErrorKind;

use sqlx::postgres::PgDatabaseError;

use crate::service_layer::StoreError;

/// Classes of SQLSTATE that are an outage: the server, the session's rights or the tables are in
/// trouble, whatever the message was. <https://www.postgresql.org/docs/current/errcodes-appendix.html>
const OUTAGE_CLASSES: [&str; 12] = [
    "08", // connection exceptions
    "28", // invalid authorization: a password or a certificate
    "3D", // the database does not exist
    "3F", // the schema does not exist
    "42", // tables, columns or rights that this program needs and does not have
    "53", // insufficient resources: disk, memory, connections
    "55", // an object is not in the state that is needed, or in use
    "57", // operator intervention: shutdown, a crash, no connections yet
    "58", // system errors: files, I/O
    "F0", // the server's configuration files
    "HV", // foreign data: the server behind the server
    "XX", // internal errors: corrupted data or indexes
];

/// The database answers, and fails for a reason that is no message's: but it may have to do with the
/// rows of one of them.
const FAILURES: [&str; 6] = [
    "2200H", // a sequence has no more numbers
    "23502", // a column must not be null that this program does not know, or a trigger empties
    "42501", // a right is missing, or a policy of row-level security forbids a row
    "57014", // somebody canceled the statement, or it took too long
    "XX001", // a block of a table is corrupted
    "XX002", // an index is corrupted
];

/// Classes of the same: functions, as of triggers, that break the rules for functions.
const FAILURE_CLASSES: [&str; 2] = [
    "2F", // SQL routine exceptions
    "39", // external routine invocation exceptions
];

/// Single SQLSTATEs that are an outage, of classes that are not.
const OUTAGES: [&str; 4] = [
    "25006", // the server, or the session, takes no writes
    "25P03", // the session was idle in its transaction for too long
    "25P04", // the transaction took too long
    "40003", // whether a statement was completed is unknown
];

/// The transaction was rolled back, mostly as it met another one, and has to be repeated.
const CONFLICTS: [&str; 5] = [
    "40000", // for no reason that has a code of its own
    "40001", // a serialization failure
    "40002", // a constraint that was checked at the end
    "40P01", // a deadlock
    "72000", // the snapshot is too old
];

/// The session's own state is wrong; a new session has none.
const LOST_SESSIONS: [&str; 3] = [
    "25P02", // in a transaction that failed before
    "26000", // a prepared statement is gone, as after `discard all`
    "34000", // so is a cursor
];

/// A statement waited for a lock for as long as `lock_timeout` allows.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Errors that another session may not have: see [`was_of_the_session`].
const OF_THE_SESSION: [&str; 4] = [
    "25006", // its server takes no writes, and may have been the primary before
    "57P01", // it was ended by an operator
    "57P02", // or by a crash
    "57P05", // or for being idle
];

const UNDEFINED_TABLE: &str = "42P01";
const UNIQUE_VIOLATION: &str = "23505";

/// The keys under which another transaction may have written a row since this one looked. Those of
/// items and history are not among them: rows that an order left behind would conflict without end.
const FIRST_WRITER_WINS: [&str; 2] = ["orders_pkey", "handled_messages_pkey"];

/// Tells whose fault an error is. What is on none of the lists belongs to a message, such as a
/// constraint, a value that does not fit, or whatever a trigger raises.
///
/// The text of a message's fault never holds values: errors of class 22 quote them, and a trigger's
/// text is anything. So only names are taken.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    if let Some(error) = pg_error(error) {
        return database_error(error);
    }
    match error {
        sqlx::Error::ColumnDecode { index, source } if !is_of_another_type(source.as_ref()) => {
            StoreError::Refused(format!("a row cannot be read: column {index}"))
        }
        sqlx::Error::Decode(_) => StoreError::Refused("a row cannot be read".to_owned()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn database_error(error: &PgDatabaseError) -> StoreError {
    let code = error.code();
    let text = || format!("{} (SQLSTATE {code})", error.message());
    let place = [error.table(), error.constraint()].into_iter().flatten().collect::<Vec<_>>();
    let names = || format!("SQLSTATE {code} {}", place.join(" ")).trim_end().to_owned();
    match code {
        LOCK_NOT_AVAILABLE if waited_for_a_row(error) => StoreError::Locked(Vec::new()),
        UNIQUE_VIOLATION if FIRST_WRITER_WINS.contains(&error.constraint().unwrap_or_default()) => {
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

/// A server that has used up its transaction ids takes no writes until it has been vacuumed. It says so
/// with a code that else is about one row.
fn is_out_of_ids(error: &PgDatabaseError) -> bool {
    error.code() == "54000"
        && matches!(error.routine(), Some("GetNewTransactionId" | "GetNewMultiXactId"))
}

fn is_of(classes: &[&str], code: &str) -> bool {
    classes.iter().any(|class| code.starts_with(class))
}

/// Whether somebody has another row of the table, or is about to write one with the same key: then
/// PostgreSQL names the row in the error's context. Who waits for the lock of a table has none.
fn waited_for_a_row(error: &PgDatabaseError) -> bool {
    error.r#where().is_some()
}

/// "cached plan must not change result type" (0A000): a table was altered since the statement was
/// prepared. The text is in the server's language, so the place in the server's source tells.
fn has_an_outdated_plan(error: &PgDatabaseError) -> bool {
    error.code() == "0A000" && error.routine() == Some("RevalidateCachedQuery")
}

/// Whether the column has another type than this program knows: a fault of the tables, not of a row.
fn is_of_another_type(source: &(dyn std::error::Error + 'static)) -> bool {
    source.to_string().starts_with("mismatched types")
}

/// Whether the same question may be answered on another session: this one is broken, or has an
/// outdated plan, or a server that is not the primary any more. Not where there was no answer in time:
/// somebody has waited for long already.
pub(super) fn was_of_the_session(error: &sqlx::Error) -> bool {
    match (error, pg_error(error)) {
        (_, Some(error)) => {
            has_an_outdated_plan(error)
                || OF_THE_SESSION.contains(&error.code())
                || LOST_SESSIONS.contains(&error.code())
        }
        (sqlx::Error::Io(error), None) => error.kind() != ErrorKind::TimedOut,
        (_, None) => false,
    }
}

pub(super) fn is_undefined_table(error: &sqlx::Error) -> bool {
    pg_error(error).is_some_and(|error| error.code() == UNDEFINED_TABLE)
}

/// Whether a lock was not to be had in time, of whatever kind.
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    pg_error(error).is_some_and(|error| error.code() == LOCK_NOT_AVAILABLE)
}

fn pg_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}
