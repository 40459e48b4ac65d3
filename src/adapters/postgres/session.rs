//! Opens sessions, and checks them before use.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;

use super::response::is_writable;
use super::servers::Servers;
use crate::service_layer::StoreError;

/// A session that was idle for this long is checked before use: a firewall may have dropped the
/// connection silently, and sqlx does not set TCP keepalives.
const IDLE_BEFORE_CHECK: Duration = Duration::from_secs(5);

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

/// A new session. Whatever an error is, no message caused it.
pub(super) async fn connect(servers: &Servers) -> Result<PgConnection, StoreError> {
    servers.connect().await.map_err(|error| StoreError::Unavailable(error.to_string()))
}
