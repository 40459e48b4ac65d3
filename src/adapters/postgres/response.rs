//! Limits the wait for responses of the database, and checks sessions.

use std::time::Duration;

use sqlx::{PgConnection, Row};

use super::errors::store_error;
use crate::service_layer::StoreError;

/// Timeout for the response to a statement of a batch. The server cancels the statement after half
/// of it (`statement_timeout`); this one is for a server that is no longer reachable.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The same for statements of readers: a user is waiting.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for the check of a session that was idle.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes the server notice a disconnected client during a statement. Not among the startup
/// parameters, because servers on some platforms refuse it.
const CHECK_CLIENT: &str = "set client_connection_check_interval = '5s'";

/// Whether the server responds within [`CHECK_TIMEOUT`] and accepts writes.
pub(super) async fn is_writable(connection: &mut PgConnection) -> bool {
    let query = sqlx::raw_sql("show transaction_read_only").fetch_one(connection);
    let response = tokio::time::timeout(CHECK_TIMEOUT, query).await;
    response.is_ok_and(|row| {
        row.is_ok_and(|row| row.try_get::<&str, _>(0).is_ok_and(|read_only| read_only == "off"))
    })
}

/// Sets `client_connection_check_interval` if the server supports it.
pub(super) async fn check_client(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    match sqlx::raw_sql(CHECK_CLIENT).execute(connection).await {
        Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Awaits a response of the database for at most `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    response: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    with_timeout(limit, response).await.map_err(|error| store_error(&error))
}

/// The same, with the original error.
pub(super) async fn with_timeout<T>(
    limit: Duration,
    response: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, response).await.unwrap_or_else(|_| Err(no_response(limit)))
}

pub(super) fn no_response(limit: Duration) -> sqlx::Error {
    timed_out(format!("no response within {} s", limit.as_secs()))
}

/// An error after which a statement is not repeated on another session: it took long enough.
pub(super) fn timed_out(text: String) -> sqlx::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, text).into()
}
