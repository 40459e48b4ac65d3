//! Dead letters in PostgreSQL, through their own small pool.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::errors::store_error;
use super::pool::{PgQuery, Pool, PooledSession};
use super::response::{RESPONSE_TIMEOUT, within};
use crate::adapters::dead_letters::{
    Columns, DeadLetterDatabase, DeadLetterTransaction, Statement, Value,
};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{Pruned, Retention};

/// Stores dead letters, and prunes old rows.
#[derive(Debug, Clone)]
pub struct PgDeadLetters {
    pool: Pool,
}

/// An open transaction on a session of the pool. Unless it commits, the session is closed with it:
/// the server rolls back, and a faulty session is not used again.
#[derive(Debug)]
pub struct PgDeadLetterTransaction {
    /// `None` after its end.
    session: Option<PooledSession>,
}

/// Locks the rows, so that none is claimed meanwhile; rows locked by others are left for the next
/// run.
const PRUNE_DEAD_LETTERS: &str = "
    with old as (
        select id from dead_letters where changed_at < $1 and state <> 2
        order by changed_at limit $2 for update skip locked
    ), actions as (
        delete from dead_letter_actions where dead_letter_id in (select id from old)
    )
    delete from dead_letters where id in (select id from old)";

/// Rows of the inbox and the history never change, so they need no lock, which would require the
/// update privilege. A row that a concurrent run has deleted is skipped.
const PRUNE_HANDLED: &str = "
    delete from handled_messages where ctid = any(array(
        select h.ctid from handled_messages h
        where h.handled_at < $1
          and not exists (select from dead_letters d where d.message_id = h.message_id)
        limit $2))";

/// Only of completed and cancelled orders, and never the row of the current version.
const PRUNE_HISTORY: &str = "
    delete from order_history where ctid = any(array(
        select h.ctid from order_history h join orders o on o.order_id = h.order_id
        where h.changed_at < $1 and o.status in (5, 6) and h.version < o.version
        limit $2))";

impl PgDeadLetters {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

impl DeadLetterDatabase for PgDeadLetters {
    type Row = PgRow;
    type Transaction = PgDeadLetterTransaction;

    async fn read(&self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        self.pool.fetch_all(|| bound(&statement)).await
    }

    async fn begin(&self) -> Result<PgDeadLetterTransaction, StoreError> {
        let session = self.pool.session().await?;
        let mut transaction = PgDeadLetterTransaction { session: Some(session) };
        transaction.run("begin").await?;
        Ok(transaction)
    }

    async fn prune_rows(&self, retention: &Retention, limit: u32) -> Result<Pruned, StoreError> {
        let mut transaction = self.begin().await?;
        let old = |text, until: DateTime<Utc>| Statement::new(text).timestamp(until).int(limit);
        let dead_letters = old(PRUNE_DEAD_LETTERS, retention.dead_letters_until);
        let handled_messages = old(PRUNE_HANDLED, retention.handled_until);
        let history = retention.history_until.map(|until| old(PRUNE_HISTORY, until));
        let pruned = Pruned {
            dead_letters: transaction.execute(dead_letters).await?,
            handled_messages: transaction.execute(handled_messages).await?,
            history: match history {
                Some(history) => transaction.execute(history).await?,
                None => 0,
            },
        };
        transaction.commit().await?;
        Ok(pruned)
    }
}

impl DeadLetterTransaction for PgDeadLetterTransaction {
    type Row = PgRow;

    async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        within(RESPONSE_TIMEOUT, bound(&statement).fetch_all(self.session()?)).await
    }

    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let executed = bound(&statement).execute(self.session()?);
        within(RESPONSE_TIMEOUT, executed).await.map(|done| done.rows_affected())
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.run("commit").await?;
        if let Some(session) = self.session.take() {
            session.release();
        }
        Ok(())
    }
}

impl PgDeadLetterTransaction {
    fn session(&mut self) -> Result<&mut PgConnection, StoreError> {
        let session = self.session.as_deref_mut();
        session.ok_or_else(|| StoreError::Unavailable("the transaction has ended".to_owned()))
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let executed = sqlx::raw_sql(statement).execute(self.session()?);
        within(RESPONSE_TIMEOUT, executed).await.map(drop)
    }
}

impl Drop for PgDeadLetterTransaction {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.close();
        }
    }
}

fn bound(statement: &Statement<'_>) -> PgQuery<'static> {
    let query = sqlx::query(statement.text);
    statement.values.iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text.as_deref()),
        Value::Bytes(bytes) => query.bind(bytes.as_deref()),
        Value::Int(number) => query.bind(number),
        Value::Timestamp(at) => query.bind(at),
    })
}

impl Columns for PgRow {
    fn text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.try_get(column).map_err(|error| store_error(&error))
    }

    fn bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.try_get(column).map_err(|error| store_error(&error))
    }

    fn int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.try_get(column).map_err(|error| store_error(&error))
    }

    fn timestamp(&self, column: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.try_get(column).map_err(|error| store_error(&error))
    }
}
