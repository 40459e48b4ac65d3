//! Small connection pools, one for readers and one for dead letters. Idle sessions are checked regularly,
//! and statements are repeated once on another session if theirs was at fault.
//!
//! Not the pool of sqlx, which knows one server only.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, PgConnection, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::errors::{is_session_fault, store_error};
use super::response::{is_writable, no_response, timed_out, with_timeout};
use super::servers::{Servers, may_pass};
use super::session::{OpenSession, SessionValidity};
use crate::service_layer::StoreError;

/// Timeout for a session: for its turn, and for servers that are starting or failing over. Shorter than
/// that of a reader's statement, so that the error names the reason.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(8);

/// The pauses between attempts to connect to such servers: 20 ms, 40 ms, … 1 s.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Timeout for the ping of a session that was dropped during a statement, which it may still be
/// executing.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the idle sessions of a pool are checked, while it is in use: a firewall may have dropped a
/// connection silently, or the server may have become read-only.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// How long a session stays open without use.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// How long a session stays open at all: the server frees the memory of a session at its end.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// A statement with its bound values.
pub(super) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// A few sessions, opened when needed and checked regularly; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    servers: Servers,
    validity: SessionValidity,
    response_timeout: Duration,
    /// One for each session in use.
    permits: Arc<Semaphore>,
    idle: IdleSessions,
    /// When the idle sessions were checked last.
    checked_at: Arc<Mutex<Instant>>,
}

/// Sessions that are not in use, with the time since when; the last one is used next.
#[derive(Debug, Clone, Default)]
struct IdleSessions(Arc<Mutex<Vec<(Instant, OpenSession)>>>);

/// A session in use. Unless it is released, a ping shows whether it can be used again, as a statement
/// may have been dropped midway.
#[derive(Debug)]
pub(super) struct PooledSession {
    /// `None` after its end.
    session: Option<OpenSession>,
    idle: IdleSessions,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(
        max_sessions: usize,
        servers: Servers,
        response_timeout: Duration,
        validity: SessionValidity,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(max_sessions));
        let checked_at = Arc::new(Mutex::new(Instant::now()));
        let idle = IdleSessions::default();
        Self { servers, validity, response_timeout, permits, idle, checked_at }
    }

    pub(super) async fn fetch_all(
        &self,
        query: impl Fn() -> PgQuery<'static>,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.try_fetch_all(query).await.map_err(|error| store_error(&error))
    }

    /// The first row; the statement must return one.
    pub(super) async fn fetch_one(
        &self,
        query: impl Fn() -> PgQuery<'static>,
    ) -> Result<PgRow, StoreError> {
        self.try_fetch_one(query).await.map_err(|error| store_error(&error))
    }

    pub(super) async fn try_fetch_one(
        &self,
        query: impl Fn() -> PgQuery<'static>,
    ) -> Result<PgRow, sqlx::Error> {
        let rows = self.try_fetch_all(query).await?;
        rows.into_iter().next().ok_or(sqlx::Error::RowNotFound)
    }

    /// Executes a statement that is safe to repeat.
    pub(super) async fn execute(
        &self,
        statement: impl Fn() -> PgQuery<'static>,
    ) -> Result<(), StoreError> {
        self.fetch_all(statement).await.map(drop)
    }

    /// Repeats the statement once, at once and on another session, if its session was at fault.
    async fn try_fetch_all(
        &self,
        query: impl Fn() -> PgQuery<'static>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        // Boxed: these futures are large, and become part of every caller.
        match Box::pin(self.fetch_once(query())).await {
            Err(error) if is_session_fault(&error) => Box::pin(self.fetch_once(query())).await,
            result => result,
        }
    }

    async fn fetch_once(&self, query: PgQuery<'static>) -> Result<Vec<PgRow>, sqlx::Error> {
        with_timeout(self.response_timeout, async {
            let mut session = self.acquire().await?;
            let rows = query.fetch_all(&mut *session).await;
            match &rows {
                Err(error) if is_session_fault(error) => {
                    // Other sessions of the same age have the same fault.
                    self.validity.invalidate_all();
                    session.close();
                }
                Ok(_) | Err(sqlx::Error::Database(_)) => session.release(),
                Err(_) => drop(session),
            }
            rows
        })
        .await
    }

    /// A session for several statements.
    pub(super) async fn session(&self) -> Result<PooledSession, StoreError> {
        let session = with_timeout(self.response_timeout, self.acquire()).await;
        session.map_err(|error| store_error(&error))
    }

    async fn acquire(&self) -> Result<PooledSession, sqlx::Error> {
        if self.is_check_due() {
            self.check_idle().await;
        }
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        let permit = tokio::time::timeout_at(deadline, self.permits.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(no_response(ACQUIRE_TIMEOUT)) };
        let mut session = PooledSession::new(None, self.idle.clone(), permit);
        session.session = match self.pop_usable() {
            Some(usable) => Some(usable),
            None => Some(OpenSession::new(self.connect_until(deadline).await?)),
        };
        Ok(session)
    }

    /// Connects, and tries again as long as servers are starting or failing over.
    async fn connect_until(&self, deadline: Instant) -> Result<PgConnection, sqlx::Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.servers.connect().await {
                Err(error) if may_pass(&error) => error,
                result => return result,
            };
            if Instant::now() + pause >= deadline {
                return Err(timed_out(format!("{error} (tried for {ACQUIRE_TIMEOUT:?})")));
            }
            tokio::time::sleep(pause).await;
            pause = MAX_PAUSE.min(2 * pause);
        }
    }

    /// Takes idle sessions until one is usable; closes the others.
    fn pop_usable(&self) -> Option<OpenSession> {
        std::iter::from_fn(|| self.idle.lock().pop())
            .map(|(_, session)| session)
            .find(|session| self.validity.covers(session.age()) && session.age() < MAX_AGE)
    }

    /// Whether the last check is at least [`CHECK_INTERVAL`] old; if so, the next one starts now.
    fn is_check_due(&self) -> bool {
        let mut checked_at = self.checked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = checked_at.elapsed() >= CHECK_INTERVAL;
        if is_due {
            *checked_at = Instant::now();
        }
        is_due
    }

    /// Checks all idle sessions at the same time. A session in use is seen by the next check, or by
    /// its own statement.
    async fn check_idle(&self) {
        self.idle.lock().retain(|(since, _)| since.elapsed() < MAX_IDLE);
        let in_use = || {
            let permit = self.permits.clone().try_acquire_owned().ok()?;
            let session = self.pop_usable()?;
            Some(PooledSession::new(Some(session), self.idle.clone(), permit))
        };
        join_all(std::iter::from_fn(in_use).map(|mut session| async move {
            if is_writable(&mut session).await {
                session.release();
            } else {
                self.validity.invalidate_all();
                session.close();
            }
        }))
        .await;
    }
}

impl IdleSessions {
    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, OpenSession)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, session: OpenSession) {
        self.lock().push((Instant::now(), session));
    }
}

impl PooledSession {
    fn new(session: Option<OpenSession>, idle: IdleSessions, permit: OwnedSemaphorePermit) -> Self {
        Self { session, idle, permit: Some(permit) }
    }

    /// Returns the session to the pool. No statement may be in progress.
    pub(super) fn release(mut self) {
        if let Some(session) = self.session.take() {
            self.idle.push(session);
        }
    }

    /// Ends the session.
    pub(super) fn close(mut self) {
        self.session = None;
    }
}

impl Drop for PooledSession {
    fn drop(&mut self) {
        let (Some(mut session), Ok(runtime)) =
            (self.session.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (idle, permit) = (self.idle.clone(), self.permit.take());
        runtime.spawn(async move {
            let done = tokio::time::timeout(RELEASE_TIMEOUT, session.connection.ping()).await;
            if done.is_ok_and(|done| done.is_ok()) {
                idle.push(session);
            }
            drop(permit);
        });
    }
}

impl Deref for PooledSession {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.session.as_ref().expect("it is taken at the end only").connection
    }
}

impl DerefMut for PooledSession {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.session.as_mut().expect("it is taken at the end only").connection
    }
}
