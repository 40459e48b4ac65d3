//! Small connection pools, one for readers and one for dead letters. Sessions are checked before
//! use, and statements are repeated once on another session if theirs was at fault.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};
use tokio::time::Instant;

use super::errors::{is_session_fault, store_error};
use super::session::{
    CONNECT_TIMEOUT, IDLE_BEFORE_CHECK, SessionValidity, check_client, is_writable, with_timeout,
};
use crate::service_layer::StoreError;

/// Timeout for the ping when a session returns to the pool: it may still be executing a statement
/// that was dropped.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// A statement with its bound values.
pub(super) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// A few sessions, opened when needed and checked before use; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    sessions: PgPool,
    validity: SessionValidity,
    response_timeout: Duration,
}

impl Pool {
    pub(super) fn new(
        max_sessions: u32,
        options: PgConnectOptions,
        response_timeout: Duration,
        validity: SessionValidity,
    ) -> Self {
        let check_validity = validity.clone();
        let checked_at = Arc::new(Mutex::new(Instant::now()));
        let sessions = PgPoolOptions::new()
            .max_connections(max_sessions)
            .min_connections(0)
            .acquire_timeout(CONNECT_TIMEOUT)
            .idle_timeout(Duration::from_secs(60))
            .after_connect(|connection, _| Box::pin(check_client(connection)))
            // The pool's own check has no timeout.
            .test_before_acquire(false)
            .before_acquire(move |connection, session| {
                let (validity, checked_at) = (check_validity.clone(), checked_at.clone());
                Box::pin(async move {
                    if !validity.covers(session.age) {
                        return Ok(false);
                    }
                    // Checked even if never idle: the server may have become read-only.
                    if !is_due(&checked_at) && session.idle_for < IDLE_BEFORE_CHECK {
                        return Ok(true);
                    }
                    let is_writable = is_writable(connection).await;
                    if !is_writable {
                        validity.invalidate_all();
                    }
                    Ok(is_writable)
                })
            })
            .after_release(|connection, _| {
                Box::pin(async {
                    let done = tokio::time::timeout(RELEASE_TIMEOUT, connection.ping()).await;
                    Ok(done.is_ok_and(|done| done.is_ok()))
                })
            })
            .connect_lazy_with(options);
        Self { sessions, validity, response_timeout }
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
            let mut session = self.sessions.acquire().await?;
            let rows = query.fetch_all(&mut *session).await;
            if rows.as_ref().is_err_and(is_session_fault) {
                // Other sessions of the same age have the same fault.
                self.validity.invalidate_all();
                session.close_on_drop();
            }
            rows
        })
        .await
    }

    /// A session for several statements.
    pub(super) async fn session(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let session = with_timeout(self.response_timeout, self.sessions.acquire()).await;
        session.map_err(|error| store_error(&error))
    }
}

/// Whether the last check of the pool is at least [`IDLE_BEFORE_CHECK`] old; if so, the next one
/// starts now.
fn is_due(checked_at: &Mutex<Instant>) -> bool {
    let mut checked_at = checked_at.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = checked_at.elapsed() >= IDLE_BEFORE_CHECK;
    if is_due {
        *checked_at = Instant::now();
    }
    is_due
}
