//! Statements over many rows at once.

use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::errors::store_error;
use crate::service_layer::StoreError;

/// The list without rows, for which no statement has to be asked.
const NOTHING: &str = "[]";

/// Many values or rows as one parameter, which `json_each` takes apart.
pub(super) fn json_list(rows: impl Iterator<Item = impl Serialize>) -> String {
    let rows: Vec<_> = rows.collect();
    serde_json::to_string(&rows).expect("text and numbers are always JSON")
}

/// Executes a statement over a list; returns how many rows it affected.
pub(super) async fn for_rows(
    connection: &mut SqliteConnection,
    statement: &'static str,
    list: String,
) -> Result<u64, StoreError> {
    if list == NOTHING {
        return Ok(0);
    }
    let done = sqlx::query(statement).bind(list).execute(connection).await;
    done.map(|done| done.rows_affected()).map_err(|error| store_error(&error))
}

/// The rows that a statement finds for a list.
pub(super) async fn rows_for(
    connection: &mut SqliteConnection,
    statement: &'static str,
    list: String,
) -> Result<Vec<SqliteRow>, StoreError> {
    if list == NOTHING {
        return Ok(Vec::new());
    }
    let found = sqlx::query(statement).bind(list).fetch_all(connection).await;
    found.map_err(|error| store_error(&error))
}
