//! Pools of sessions: for readers, and for dead letters.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};
use tokio::time::Instant;

use super::errors::{store_error, was_of_the_session};
use super::session::{CONNECT_TIMEOUT, IDLE, Trust, answered, check_client, is_writable};
use crate::service_layer::StoreError;

/// Longest wait until a session that comes back to its pool is done with what it did.
const RETURN_TIMEOUT: Duration = Duration::from_secs(5);

/// A statement with its values.
pub(super) type Question = Query<'static, Postgres, PgArguments>;

/// A few sessions, each made when it is needed and checked before it is used; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    sessions: PgPool,
    trust: Trust,
    answer_within: Duration,
}

impl Pool {
    pub(super) fn new(
        most: u32,
        options: PgConnectOptions,
        answer_within: Duration,
        trust: Trust,
    ) -> Self {
        let check_trust = trust.clone();
        let checked_at = Arc::new(Mutex::new(Instant::now()));
        let sessions = PgPoolOptions::new()
            .max_connections(most)
            .min_connections(0)
            .acquire_timeout(CONNECT_TIMEOUT)
            .idle_timeout(Duration::from_secs(60))
            .after_connect(|connection, _| Box::pin(check_client(connection)))
            // The pool's own check waits without a bound.
            .test_before_acquire(false)
            .before_acquire(move |connection, session| {
                let (trust, checked_at) = (check_trust.clone(), checked_at.clone());
                Box::pin(async move {
                    if !trust.holds(session.age) {
                        return Ok(false);
                    }
                    // Of a pool that is never idle, too: its server may have turned read-only.
                    if !is_due(&checked_at) && session.idle_for < IDLE {
                        return Ok(true);
                    }
                    let is_good = is_writable(connection).await;
                    if !is_good {
                        trust.lose();
                    }
                    Ok(is_good)
                })
            })
            .after_release(|connection, _| {
                Box::pin(async {
                    let done = tokio::time::timeout(RETURN_TIMEOUT, connection.ping()).await;
                    Ok(done.is_ok_and(|done| done.is_ok()))
                })
            })
            .connect_lazy_with(options);
        Self { sessions, trust, answer_within }
    }

    pub(super) async fn fetch_all(
        &self,
        question: impl Fn() -> Question,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.try_fetch_all(question).await.map_err(|error| store_error(&error))
    }

    /// The first row, of a question that has one.
    pub(super) async fn fetch_one(
        &self,
        question: impl Fn() -> Question,
    ) -> Result<PgRow, StoreError> {
        self.try_fetch_one(question).await.map_err(|error| store_error(&error))
    }

    pub(super) async fn try_fetch_one(
        &self,
        question: impl Fn() -> Question,
    ) -> Result<PgRow, sqlx::Error> {
        let rows = self.try_fetch_all(question).await?;
        rows.into_iter().next().ok_or(sqlx::Error::RowNotFound)
    }

    /// Executes a statement that is harmless to repeat.
    pub(super) async fn execute(&self, statement: impl Fn() -> Question) -> Result<(), StoreError> {
        self.fetch_all(statement).await.map(drop)
    }

    /// Asks once more, at once and on a new session, where it was the session's fault.
    async fn try_fetch_all(
        &self,
        question: impl Fn() -> Question,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        // Boxed, as they are large, and part of whatever asks.
        match Box::pin(self.ask(question())).await {
            Err(error) if was_of_the_session(&error) => Box::pin(self.ask(question())).await,
            answer => answer,
        }
    }

    async fn ask(&self, question: Question) -> Result<Vec<PgRow>, sqlx::Error> {
        answered(self.answer_within, async {
            let mut session = self.sessions.acquire().await?;
            let rows = question.fetch_all(&mut *session).await;
            if rows.as_ref().is_err_and(was_of_the_session) {
                // What is wrong with this one is wrong with others that are as old.
                self.trust.lose();
                session.close_on_drop();
            }
            rows
        })
        .await
    }

    /// A session for several statements.
    pub(super) async fn session(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let session = answered(self.answer_within, self.sessions.acquire()).await;
        session.map_err(|error| store_error(&error))
    }
}

/// Whether the last check of the pool is some seconds old; then it is done now.
fn is_due(checked_at: &Mutex<Instant>) -> bool {
    let mut checked_at = checked_at.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = checked_at.elapsed() >= IDLE;
    if is_due {
        *checked_at = Instant::now();
    }
    is_due
}
