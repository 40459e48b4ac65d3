//! The outbox as the relay reads it.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::errors::store_error;
use super::outbox::{self, outbox_row, outgoing_columns};
use super::writer::Writer;
use crate::service_layer::{OutboxKey, OutboxRow, RawOutboxKey, RelayStore, StoreError};

/// A key before all others stands for no key: an order id is never empty.
const WAITING: &str = concat!(
    "select ",
    outgoing_columns!(),
    " from outbox
      where (order_id, version, event_id) > (?1, ?2, ?3)
        and committed_at <= ?4
      order by order_id, version, event_id limit ?5"
);

/// As in the default of `committed_at`.
const NOW: &str = "select cast(unixepoch('subsec') * 1000000 as integer)";

/// The relay's session with SQLite.
#[derive(Debug)]
pub struct SqliteRelayStore {
    writer: Writer,
    one_relay: Arc<Mutex<()>>,
    /// Held while this is the one relay.
    claim: Option<OwnedMutexGuard<()>>,
}

impl SqliteRelayStore {
    pub(super) fn new(writer: Writer, one_relay: Arc<Mutex<()>>) -> Self {
        Self { writer, one_relay, claim: None }
    }
}

#[async_trait]
impl RelayStore for SqliteRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        if self.claim.is_none() {
            self.claim = Arc::clone(&self.one_relay).try_lock_owned().ok();
        }
        Ok(self.claim.is_some())
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        let mut turn = self.writer.turn().await?;
        let now = sqlx::query_scalar(NOW).fetch_one(&mut turn.connection).await;
        let now: i64 = now.map_err(|error| store_error(&error))?;
        turn.end();
        DateTime::from_timestamp_micros(now)
            .ok_or_else(|| StoreError::Unavailable("the clock is out of its range".to_owned()))
    }

    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let mut turn = self.writer.turn().await?;
        let query = sqlx::query(WAITING)
            .bind(after.map_or("", |key| key.order_id.as_str()))
            .bind(after.map_or(0, |key| key.version))
            .bind(after.map_or("", |key| key.event_id.as_str()))
            .bind(committed_until.timestamp_micros())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows =
            query.fetch_all(&mut turn.connection).await.map_err(|error| store_error(&error))?;
        turn.end();
        rows.iter().map(outbox_row).collect()
    }

    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let mut turn = self.writer.turn().await?;
        outbox::remove(&mut turn.connection, published).await?;
        turn.end();
        Ok(())
    }
}
