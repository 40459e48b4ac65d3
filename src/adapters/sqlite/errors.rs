//! Telling whose fault an error is.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::service_layer::StoreError;

/// Tells by SQLite's result code whose fault an error is. Values that are too big or break a
/// constraint belong to one message; a primary key of orders or messages that is taken is a row
/// that another transaction wrote first. Everything else is trouble of the database.
///
/// The text holds only codes and the names of tables and columns, never values.
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
    const TOO_BIG: u32 = 18;
    const CONSTRAINT: u32 = 19;
    const MISMATCH: u32 = 20;

    let extended_code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
    let names = format!("SQLite code {extended_code} {}", names(error));
    // The primary code is the last byte.
    match extended_code & 0xff {
        CONSTRAINT if is_taken_key(error) => StoreError::Conflict(names),
        CONSTRAINT | TOO_BIG | MISMATCH => StoreError::Refused(names),
        _ => StoreError::Unavailable(format!("{} (SQLite code {extended_code})", error.message())),
    }
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
