//! Counts the outbox and the open dead letters, up to a limit.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::errors::store_error;
use crate::messages::{Backlog, MAX_COUNTED, OpenDeadLetters, OutboxBacklog};
use crate::service_layer::{BacklogProbe, StoreError};

const HAS_ORDERS: &str = "select exists (select 1 from orders) as has_orders";

/// Timestamps are in microseconds since 1970, and so are ages.
const OUTBOX: &str = "
    select count(*) as count,
           cast(unixepoch('subsec') * 1000000 as integer) - min(committed_at) as oldest
    from (select committed_at from outbox limit ?1)";

const OPEN_DEAD_LETTERS: &str = "
    select code, count(*) as count,
           cast(unixepoch('subsec') * 1000000 as integer) - min(last_failed_at) as oldest
    from (select code, last_failed_at from dead_letters where state = 1 limit ?1)
    group by code";

/// Counts through the pool for readers.
#[derive(Debug, Clone)]
pub struct SqliteBacklogProbe {
    readers: SqlitePool,
}

impl SqliteBacklogProbe {
    pub(super) fn new(readers: SqlitePool) -> Self {
        Self { readers }
    }

    async fn open_dead_letters(&self) -> Result<OpenDeadLetters, StoreError> {
        let query = sqlx::query(OPEN_DEAD_LETTERS).bind(MAX_COUNTED);
        let rows = query.fetch_all(&self.readers).await.map_err(|error| store_error(&error))?;
        let mut dead_letters = OpenDeadLetters::default();
        for row in &rows {
            dead_letters.counts.push((column(row, "code")?, count(row)?));
            dead_letters.oldest = dead_letters.oldest.max(oldest(row)?);
        }
        Ok(dead_letters)
    }
}

#[async_trait]
impl BacklogProbe for SqliteBacklogProbe {
    async fn backlog(&mut self) -> Result<Backlog, StoreError> {
        let orders = sqlx::query(HAS_ORDERS).fetch_one(&self.readers).await;
        let outbox = sqlx::query(OUTBOX).bind(MAX_COUNTED).fetch_one(&self.readers).await;
        let outbox = outbox.map_err(|error| store_error(&error))?;
        Ok(Backlog {
            has_orders: column(&orders.map_err(|error| store_error(&error))?, "has_orders")?,
            outbox: OutboxBacklog { count: count(&outbox)?, oldest: oldest(&outbox)? },
            open_dead_letters: Some(self.open_dead_letters().await?),
        })
    }
}

fn count(row: &SqliteRow) -> Result<u64, StoreError> {
    Ok(u64::try_from(column::<i64>(row, "count")?).unwrap_or(0))
}

/// The age of the oldest row; zero if its timestamp is in the future.
fn oldest(row: &SqliteRow) -> Result<Option<Duration>, StoreError> {
    let micros: Option<i64> = column(row, "oldest")?;
    Ok(micros.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))))
}

fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|error| store_error(&error))
}
