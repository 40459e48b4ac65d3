//! Counts the outbox and the open dead letters, up to a limit.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::errors::store_error;
use super::pool::Pool;
use crate::messages::{Backlog, MAX_COUNTED, OpenDeadLetters, OutboxBacklog};
use crate::service_layer::{BacklogProbe, StoreError};

const HAS_ORDERS: &str = "select exists (select from orders) as has_orders";

const OUTBOX: &str = "
    select count(*) as count, extract(epoch from now() - min(committed_at))::float8 as oldest
    from (select committed_at from outbox limit $1) as counted";

const OPEN_DEAD_LETTERS: &str = "
    select code, count(*) as count,
           extract(epoch from now() - min(last_failed_at))::float8 as oldest
    from (select code, last_failed_at from dead_letters where state = 1 limit $1) as counted
    group by code";

/// Counts through the pool for dead letters.
#[derive(Debug, Clone)]
pub struct PgBacklogProbe {
    pool: Pool,
}

impl PgBacklogProbe {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    async fn outbox(&self) -> Result<OutboxBacklog, StoreError> {
        let query = || sqlx::query(OUTBOX).bind(i64::from(MAX_COUNTED));
        let row = self.pool.fetch_one(query).await?;
        Ok(OutboxBacklog { count: count(&row)?, oldest: oldest(&row)? })
    }

    async fn open_dead_letters(&self) -> Result<OpenDeadLetters, StoreError> {
        let query = || sqlx::query(OPEN_DEAD_LETTERS).bind(i64::from(MAX_COUNTED));
        let rows = self.pool.fetch_all(query).await?;
        let mut dead_letters = OpenDeadLetters::default();
        for row in &rows {
            dead_letters.counts.push((column(row, "code")?, count(row)?));
            dead_letters.oldest = dead_letters.oldest.max(oldest(row)?);
        }
        Ok(dead_letters)
    }
}

#[async_trait]
impl BacklogProbe for PgBacklogProbe {
    async fn backlog(&mut self) -> Result<Backlog, StoreError> {
        let row = self.pool.fetch_one(|| sqlx::query(HAS_ORDERS)).await?;
        Ok(Backlog {
            has_orders: column(&row, "has_orders")?,
            outbox: self.outbox().await?,
            open_dead_letters: Some(self.open_dead_letters().await?),
        })
    }
}

fn count(row: &PgRow) -> Result<u64, StoreError> {
    Ok(u64::try_from(column::<i64>(row, "count")?).unwrap_or(0))
}

/// The age of the oldest row; zero if its timestamp is in the future.
fn oldest(row: &PgRow) -> Result<Option<Duration>, StoreError> {
    let seconds: Option<f64> = column(row, "oldest")?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

fn column<'r, T>(row: &'r PgRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(name).map_err(|error| store_error(&error))
}
