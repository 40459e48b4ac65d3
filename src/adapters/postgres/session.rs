//! Opens sessions, checks them before use, and enforces client-side timeouts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::{PgConnection, Row};
use tokio::time::Instant;

use super::errors::store_error;
use super::servers::Servers;
use crate::service_layer::StoreError;

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
    servers: Servers,
    validity: SessionValidity,
    /// `None` while the connection is in use. It is checked in only after a clean end: a future
    /// that is dropped midway drops the connection too, and the server rolls back.
    idle: Option<Idle>,
}

#[derive(Debug)]
struct Idle {
    session: OpenSession,
    since: Instant,
}

/// A connection and its age.
#[derive(Debug)]
pub(super) struct OpenSession {
    pub(super) connection: PgConnection,
    opened_at: Instant,
}

impl OpenSession {
    pub(super) fn new(connection: PgConnection) -> Self {
        Self { connection, opened_at: Instant::now() }
    }

    pub(super) fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }
}

impl Session {
    pub(super) fn new(servers: Servers, validity: SessionValidity) -> Self {
        Self { servers, validity, idle: None }
    }

    /// The connection, or a new one if it is no longer usable.
    pub(super) async fn check_out(&mut self) -> Result<OpenSession, StoreError> {
        if let Some(Idle { mut session, since }) = self.idle.take()
            && self.validity.covers(session.age())
        {
            if since.elapsed() < IDLE_BEFORE_CHECK || is_writable(&mut session.connection).await {
                return Ok(session);
            }
            self.validity.invalidate_all();
        }
        Ok(OpenSession::new(connect(&self.servers).await?))
    }

    pub(super) fn check_in(&mut self, session: OpenSession) {
        self.idle = Some(Idle { session, since: Instant::now() });
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

/// A new session. Whatever an error is, no message caused it.
pub(super) async fn connect(servers: &Servers) -> Result<PgConnection, StoreError> {
    servers.connect().await.map_err(|error| StoreError::Unavailable(error.to_string()))
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
