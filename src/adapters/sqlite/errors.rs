//! Whose fault an error of SQLite is, told by its result code.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::service_layer::StoreError;

/// Primary result codes that are an outage: the file, its disk or another process is in trouble,
/// whatever the message was. <https://www.sqlite.org/rescode.html>
const OUTAGES: [u32; 16] = [
    2,  // INTERNAL
    3,  // PERM: no access to the file
    4,  // ABORT: the statement was ended
    5,  // BUSY: another process has the file
    6,  // LOCKED: another connection has the table
    7,  // NOMEM
    8,  // READONLY
    9,  // INTERRUPT
    10, // IOERR
    11, // CORRUPT
    13, // FULL: the disk
    14, // CANTOPEN
    15, // PROTOCOL: trouble with locks
    17, // SCHEMA: the tables have changed
    23, // AUTH
    26, // NOTADB
];

/// Anything without a code of its own: a table that is not there, or an argument that a function does
/// not take.
const ERROR: u32 = 1;
const CONSTRAINT: u32 = 19;

/// Tells whose fault an error is. What is not on the list belongs to a message: values that are too
/// big, constraints, whatever a trigger raises. A primary key of orders or messages that is taken is
/// a row that another transaction wrote first.
///
/// The text of a message's fault holds only codes and the names of tables and columns, never values.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => database_error(database.as_ref()),
        sqlx::Error::ColumnDecode { index, .. } => {
            StoreError::Refused(format!("a row cannot be read: column {index}"))
        }
        sqlx::Error::Decode(_) => StoreError::Refused("a row cannot be read".to_owned()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn database_error(error: &dyn DatabaseError) -> StoreError {
    let extended_code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
    let names = || format!("SQLite code {extended_code} {}", names(error)).trim_end().to_owned();
    // The primary code is the last byte.
    match extended_code & 0xff {
        CONSTRAINT if is_taken_key(error) => StoreError::Conflict(names()),
        code if OUTAGES.contains(&code) || code == ERROR && lacks_a_name(error.message()) => {
            StoreError::Unavailable(format!("{} (SQLite code {extended_code})", error.message()))
        }
        _ => StoreError::Refused(names()),
    }
}

/// Whether the tables are not those of this program. SQLite has no code for it, and one language.
fn lacks_a_name(message: &str) -> bool {
    message.starts_with("no such ") || message.contains(" has no column named ")
}

fn is_taken_key(error: &dyn DatabaseError) -> bool {
    let keys = ["orders.order_id", "handled_messages.message_id"];
    error.kind() == ErrorKind::UniqueViolation
        && keys.iter().any(|key| error.message().ends_with(key))
}

/// What the message says where it is sure to be made of names alone. That of a trigger is free text.
fn names(error: &dyn DatabaseError) -> &str {
    match error.kind() {
        ErrorKind::UniqueViolation | ErrorKind::NotNullViolation | ErrorKind::CheckViolation => {
            error.message()
        }
        _ => "",
    }
}
