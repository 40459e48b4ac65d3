//! Dead letters in SQLite: read through the pool for readers, written through the shared writer.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite};

use super::errors::store_error;
use super::rows::undecodable;
use super::statement::{for_rows, json_list};
use super::writer::{Writer, WriterGuard};
use crate::adapters::dead_letters::{
    Columns, DeadLetterDatabase, DeadLetterTransaction, Statement, Value,
};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{Pruned, Retention};

/// Stores dead letters, and prunes old rows.
#[derive(Debug, Clone)]
pub struct SqliteDeadLetters {
    writer: Writer,
    readers: SqlitePool,
}

/// An open transaction, which holds the writer.
#[derive(Debug)]
pub struct SqliteDeadLetterTransaction {
    writer: WriterGuard,
}

const OLD_DEAD_LETTERS: &str = "
    select id from dead_letters where changed_at < $1 and state <> 2 order by changed_at limit $2";

/// Checks age and state again: a row may have changed since it was read.
const REMOVE_DEAD_LETTERS: &str = "
    delete from dead_letters
    where id in (select value from json_each($1)) and changed_at < $2 and state <> 2
    returning id";

const REMOVE_ACTIONS: &str =
    "delete from dead_letter_actions where dead_letter_id in (select value from json_each($1))";

const OLD_HANDLED: &str = "
    select h.message_id from handled_messages h
    where h.handled_at < $1
      and not exists (select 1 from dead_letters d where d.message_id = h.message_id)
    limit $2";

/// Checks for a dead letter again: one may have been stored since.
const REMOVE_HANDLED: &str = "
    delete from handled_messages
    where message_id in (select value from json_each($1))
      and not exists (
          select 1 from dead_letters d where d.message_id = handled_messages.message_id)";

/// Only of completed and cancelled orders, and never the row of the current version.
const OLD_HISTORY: &str = "
    select h.order_id, h.version from order_history h join orders o on o.order_id = h.order_id
    where h.changed_at < $1 and o.status in (5, 6) and h.version < o.version
    limit $2";

const REMOVE_HISTORY: &str = "
    delete from order_history
    where (order_id, version) in (select value ->> 0, value ->> 1 from json_each($1))";

impl SqliteDeadLetters {
    pub(super) fn new(writer: Writer, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }

    async fn old(
        &self,
        text: &'static str,
        until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        self.read(Statement::new(text).timestamp(until).int(limit)).await
    }
}

impl DeadLetterDatabase for SqliteDeadLetters {
    type Row = SqliteRow;
    type Transaction = SqliteDeadLetterTransaction;

    async fn read(&self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        bound(statement).fetch_all(&self.readers).await.map_err(|error| store_error(&error))
    }

    async fn begin(&self) -> Result<SqliteDeadLetterTransaction, StoreError> {
        let mut writer = self.writer.acquire().await?;
        // Takes the write lock at once: upgrading a read transaction later can fail.
        writer.execute("begin immediate").await?;
        Ok(SqliteDeadLetterTransaction { writer })
    }

    /// Finds old rows on a reader, so that lanes need not wait for the search.
    async fn prune_rows(&self, retention: &Retention, limit: u32) -> Result<Pruned, StoreError> {
        let dead_letters = self.old(OLD_DEAD_LETTERS, retention.dead_letters_until, limit).await?;
        let handled = self.old(OLD_HANDLED, retention.handled_until, limit).await?;
        let history = match retention.history_until {
            Some(until) => self.old(OLD_HISTORY, until, limit).await?,
            None => Vec::new(),
        };
        if dead_letters.is_empty() && handled.is_empty() && history.is_empty() {
            return Ok(Pruned::default());
        }
        let mut transaction = self.begin().await?;
        let dead_letters = ids(&dead_letters)?;
        let pruned = Pruned {
            dead_letters: transaction.remove(dead_letters, retention.dead_letters_until).await?,
            handled_messages: transaction.for_rows(REMOVE_HANDLED, texts(&handled)?).await?,
            history: transaction.for_rows(REMOVE_HISTORY, versions(&history)?).await?,
        };
        transaction.commit().await?;
        Ok(pruned)
    }
}

impl SqliteDeadLetterTransaction {
    async fn remove(&mut self, old: String, until: DateTime<Utc>) -> Result<u64, StoreError> {
        let remove = Statement::new(REMOVE_DEAD_LETTERS).owned_text(Some(old)).timestamp(until);
        let removed = self.rows(remove).await?;
        self.for_rows(REMOVE_ACTIONS, ids(&removed)?).await?;
        Ok(removed.len() as u64)
    }

    async fn for_rows(&mut self, text: &'static str, list: String) -> Result<u64, StoreError> {
        for_rows(&mut self.writer.connection, text, list).await
    }
}

fn ids(rows: &[SqliteRow]) -> Result<String, StoreError> {
    let ids: Vec<_> = rows.iter().map(|row| row.int("id")).collect::<Result<_, _>>()?;
    Ok(json_list(ids.into_iter()))
}

fn texts(rows: &[SqliteRow]) -> Result<String, StoreError> {
    let texts: Vec<_> = rows.iter().map(|row| row.text("message_id")).collect::<Result<_, _>>()?;
    Ok(json_list(texts.into_iter()))
}

fn versions(rows: &[SqliteRow]) -> Result<String, StoreError> {
    let keys = rows.iter().map(|row| Ok((row.text("order_id")?, row.int("version")?)));
    Ok(json_list(keys.collect::<Result<Vec<_>, StoreError>>()?.into_iter()))
}

impl DeadLetterTransaction for SqliteDeadLetterTransaction {
    type Row = SqliteRow;

    async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        let found = bound(statement).fetch_all(&mut self.writer.connection).await;
        found.map_err(|error| store_error(&error))
    }

    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let done = bound(statement).execute(&mut self.writer.connection).await;
        done.map(|done| done.rows_affected()).map_err(|error| store_error(&error))
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.writer.execute("commit").await?;
        self.writer.release();
        Ok(())
    }
}

fn bound(statement: Statement<'_>) -> Query<'_, Sqlite, SqliteArguments> {
    let query = sqlx::query(statement.text);
    statement.values.into_iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text.map(Cow::into_owned)),
        Value::Bytes(bytes) => query.bind(bytes.map(Cow::into_owned)),
        Value::Int(number) => query.bind(number),
        Value::Timestamp(at) => query.bind(at.map(|at| at.timestamp_micros())),
    })
}

impl Columns for SqliteRow {
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
        let Some(micros) = self.int(column)? else { return Ok(None) };
        let at = DateTime::from_timestamp_micros(micros);
        at.map(Some)
            .ok_or_else(|| store_error(&undecodable(column, "is out of range for a timestamp")))
    }
}
