//! Small connection pools, one for readers and one for dead letters. Idle
//! sessions are checked regularly, and statements are repeated once on another session if theirs was at fault.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};
use tokio::time::Instant;

use super::errors::{is_session_fault, store_error};
use super::session::{CONNECT_TIMEOUT, SessionValidity, check_client, is_writable, with_timeout};
use crate::service_layer::StoreError;

/// Timeout for the ping when a session returns to the pool: it may still be executing a statement
/// that was dropped.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the idle sessions of a pool are checked, while it is in use: a firewall may have dropped a
/// connection silently, or the server may have become read-only.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// A statement with its bound values.
pub(super) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// A few sessions, opened when needed and checked regularly; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    sessions: PgPool,
    validity: SessionValidity,
    response_timeout: Duration,
    /// When the idle sessions were checked last.
    checked_at: Arc<Mutex<Instant>>,
}

impl Pool {
    pub(super) fn new(
        max_sessions: u32,
        options: PgConnectOptions,
        response_timeout: Duration,
        validity: SessionValidity,
    ) -> Self {
        let usable = validity.clone();
        let sessions = PgPoolOptions::new()
            .max_connections(max_sessions)
            .min_connections(0)
            .acquire_timeout(CONNECT_TIMEOUT)
            .idle_timeout(Duration::from_secs(60))
            .after_connect(|connection, _| Box::pin(check_client(connection)))
            // The pool's own check has no timeout.
            .test_before_acquire(false)
            .before_acquire(move |_, session| {
                let is_usable = usable.covers(session.age);
                Box::pin(async move { Ok(is_usable) })
            })
            .after_release(|connection, _| {
                Box::pin(async {
                    let done = tokio::time::timeout(RELEASE_TIMEOUT, connection.ping()).await;
                    Ok(done.is_ok_and(|done| done.is_ok()))
                })
            })
            .connect_lazy_with(options);
        let checked_at = Arc::new(Mutex::new(Instant::now()));
        Self { sessions, validity, response_timeout, checked_at }
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
        let session = with_timeout(self.response_timeout, self.acquire()).await;
        session.map_err(|error| store_error(&error))
    }

    async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        if self.is_check_due() {
            self.check_idle().await;
        }
        self.sessions.acquire().await
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
        let idle = std::iter::from_fn(|| self.sessions.try_acquire());
        join_all(idle.map(|mut session| async move {
            if !is_writable(&mut session).await {
                self.validity.invalidate_all();
                session.close_on_drop();
            }
        }))
        .await;
    }
}
