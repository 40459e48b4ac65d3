//! Opens sessions, checks them before use, and enforces client-side timeouts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, Row};
use tokio::time::Instant;

use super::errors::store_error;
use crate::service_layer::StoreError;

/// Timeout for opening a session.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for the response to a statement of a batch. The server cancels the statement after half
/// of it (`statement_timeout`); this one is for a server that is no longer reachable.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The same for statements of readers: a user is waiting.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A session that was idle for this long is checked before use: a firewall may have dropped the
/// connection silently, and sqlx does not set TCP keepalives.
const IDLE_BEFORE_CHECK: Duration = Duration::from_secs(5);

/// Timeout for that check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes the server notice a disconnected client during a statement. Not among the startup
/// parameters, because servers on some platforms refuse it.
const CHECK_CLIENT: &str = "set client_connection_check_interval = '5s'";

/// Since when sessions must have been opened to be usable; clones share it. When one session does
/// not respond, or its server has become read-only, all sessions opened before are replaced, each
/// before its next use.
#[derive(Debug, Clone, Default)]
pub(super) struct SessionValidity(Arc<Mutex<Option<Instant>>>);

impl SessionValidity {
    /// Invalidates all sessions that are open now.
    pub(super) fn invalidate_all(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a session of this age is valid.
    pub(super) fn covers(&self, age: Duration) -> bool {
        let invalidated_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        invalidated_at.is_none_or(|invalidated_at| age < invalidated_at.elapsed())
    }
}

/// The session of a lane: opened when needed, and checked after it was idle.
#[derive(Debug)]
pub(super) struct Session {
    options: PgConnectOptions,
    validity: SessionValidity,
    /// `None` while the connection is in use. It is checked in only after a clean end: a future
    /// that is dropped midway drops the connection too, and the server rolls back.
    idle: Option<Idle>,
}

#[derive(Debug)]
struct Idle {
    connection: CheckedOut,
    since: Instant,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct CheckedOut {
    pub(super) connection: PgConnection,
    opened_at: Instant,
}

impl Session {
    pub(super) fn new(options: PgConnectOptions, validity: SessionValidity) -> Self {
        Self { options, validity, idle: None }
    }

    /// The connection, or a new one if it is no longer usable.
    pub(super) async fn check_out(&mut self) -> Result<CheckedOut, StoreError> {
        if let Some(Idle { mut connection, since }) = self.idle.take()
            && self.validity.covers(connection.opened_at.elapsed())
        {
            if since.elapsed() < IDLE_BEFORE_CHECK || is_writable(&mut connection.connection).await
            {
                return Ok(connection);
            }
            self.validity.invalidate_all();
        }
        let connection = connect(&self.options).await?;
        Ok(CheckedOut { connection, opened_at: Instant::now() })
    }

    pub(super) fn check_in(&mut self, connection: CheckedOut) {
        self.idle = Some(Idle { connection, since: Instant::now() });
    }
}

/// Whether the server responds within [`CHECK_TIMEOUT`] and accepts writes.
pub(super) async fn is_writable(connection: &mut PgConnection) -> bool {
    let query = sqlx::raw_sql("show transaction_read_only").fetch_one(connection);
    let response = tokio::time::timeout(CHECK_TIMEOUT, query).await;
    response.is_ok_and(|row| {
        row.is_ok_and(|row| row.try_get::<&str, _>(0).is_ok_and(|read_only| read_only == "off"))
    })
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connecting = async {
        let mut connection = options.connect().await?;
        check_client(&mut connection).await?;
        Ok(connection)
    };
    // Whatever the error is, no message caused it.
    let connection = with_timeout(CONNECT_TIMEOUT, connecting).await;
    connection.map_err(|error| StoreError::Unavailable(error.to_string()))
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
    tokio::time::timeout(limit, response).await.unwrap_or_else(|_| {
        let text = format!("no response within {} s", limit.as_secs());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, text).into())
    })
}
