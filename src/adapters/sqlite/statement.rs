//! Runs a statement over many rows, passed as one JSON parameter.

use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::errors::store_error;
use crate::service_layer::StoreError;

/// The list without rows, for which no statement needs to run.
const EMPTY_LIST: &str = "[]";

/// Many values or rows as one parameter for `json_each`.
pub(super) fn json_list(rows: impl Iterator<Item = impl Serialize>) -> String {
    let rows: Vec<_> = rows.collect();
    serde_json::to_string(&rows).expect("text and numbers are always JSON")
}

/// Executes a statement over a list; returns the number of affected rows.
pub(super) async fn for_rows(
    connection: &mut SqliteConnection,
    statement: &'static str,
    list: String,
) -> Result<u64, StoreError> {
    if list == EMPTY_LIST {
        return Ok(0);
    }
    let done = sqlx::query(statement).bind(list).execute(connection).await;
    done.map(|done| done.rows_affected()).map_err(|error| store_error(&error))
}

/// The rows that a statement returns for a list.
pub(super) async fn rows_for(
    connection: &mut SqliteConnection,
    statement: &'static str,
    list: String,
) -> Result<Vec<SqliteRow>, StoreError> {
    if list == EMPTY_LIST {
        return Ok(Vec::new());
    }
    let found = sqlx::query(statement).bind(list).fetch_all(connection).await;
    found.map_err(|error| store_error(&error))
}
