//! Maps errors of SQLite to [`StoreError`] by their result code.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::service_layer::StoreError;

/// Primary result codes that are an outage: the file, its disk or another process is at fault,
/// whatever the message was. <https://www.sqlite.org/rescode.html>
const OUTAGES: [u32; 16] = [
    2,  // INTERNAL
    3,  // PERM: no access to the file
    4,  // ABORT: the statement was aborted
    5,  // BUSY: another process has locked the file
    6,  // LOCKED: another connection has locked the table
    7,  // NOMEM
    8,  // READONLY
    9,  // INTERRUPT
    10, // IOERR
    11, // CORRUPT
    13, // FULL: the disk is full
    14, // CANTOPEN
    15, // PROTOCOL: locking protocol
    17, // SCHEMA: the schema has changed
    23, // AUTH
    26, // NOTADB
];

/// Errors without a more specific code, such as a missing table or an invalid argument of a
/// function.
const ERROR: u32 = 1;
const CONSTRAINT: u32 = 19;

/// Maps an error. What is not on the list is the fault of a message: values that are too big,
/// constraints, errors that a trigger raises. A duplicate primary key of orders or messages is a
/// conflict: another transaction inserted the row first.
///
/// The text of a message's error contains only the code, tables and columns, never values.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => database_error(database.as_ref()),
        sqlx::Error::ColumnDecode { index, .. } => {
            StoreError::Refused(format!("a row cannot be decoded: column {index}"))
        }
        sqlx::Error::Decode(_) => StoreError::Refused("a row cannot be decoded".to_owned()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn database_error(error: &dyn DatabaseError) -> StoreError {
    let extended_code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
    let names = || format!("SQLite code {extended_code} {}", names(error)).trim_end().to_owned();
    // The primary code is the last byte.
    match extended_code & 0xff {
        CONSTRAINT if is_duplicate_key(error) => StoreError::Conflict(names()),
        code if OUTAGES.contains(&code) || code == ERROR && is_missing_object(error.message()) => {
            StoreError::Unavailable(format!("{} (SQLite code {extended_code})", error.message()))
        }
        _ => StoreError::Refused(names()),
    }
}

/// Whether a table or column is missing. SQLite has no code for it, but its messages are not
/// localized.
fn is_missing_object(message: &str) -> bool {
    message.starts_with("no such ") || message.contains(" has no column named ")
}

fn is_duplicate_key(error: &dyn DatabaseError) -> bool {
    let keys = ["orders.order_id", "handled_messages.message_id"];
    error.kind() == ErrorKind::UniqueViolation
        && keys.iter().any(|key| error.message().ends_with(key))
}

/// The message, if it consists of table and column names only; that of a trigger is free text.
fn names(error: &dyn DatabaseError) -> &str {
    match error.kind() {
        ErrorKind::UniqueViolation | ErrorKind::NotNullViolation | ErrorKind::CheckViolation => {
            error.message()
        }
        _ => "",
    }
}
