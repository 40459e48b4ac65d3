//! The relay's view of the outbox.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::errors::store_error;
use super::outbox::{self, outbox_columns, outbox_row};
use super::writer::Writer;
use crate::messages::{OutboxKey, OutboxRow, RawOutboxKey};
use crate::service_layer::{RelayStore, StoreError};

/// Without a key to start after, an empty order id is bound: it sorts before all others.
const WAITING: &str = concat!(
    "select ",
    outbox_columns!(),
    " from outbox
      where (order_id, version, event_id) > (?1, ?2, ?3)
        and committed_at <= ?4
      order by order_id, version, event_id limit ?5"
);

/// The same expression as the default of `committed_at`.
const NOW: &str = "select cast(unixepoch('subsec') * 1000000 as integer)";

/// The relay's access to the outbox.
#[derive(Debug)]
pub struct SqliteRelayStore {
    writer: Writer,
    relay_mutex: Arc<Mutex<()>>,
    /// Locked while this is the relay.
    relay_lock: Option<OwnedMutexGuard<()>>,
}

impl SqliteRelayStore {
    pub(super) fn new(writer: Writer, relay_mutex: Arc<Mutex<()>>) -> Self {
        Self { writer, relay_mutex, relay_lock: None }
    }
}

#[async_trait]
impl RelayStore for SqliteRelayStore {
    async fn try_become_relay(&mut self) -> Result<bool, StoreError> {
        if self.relay_lock.is_none() {
            self.relay_lock = Arc::clone(&self.relay_mutex).try_lock_owned().ok();
        }
        Ok(self.relay_lock.is_some())
    }

    async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        let mut writer = self.writer.acquire().await?;
        let now = sqlx::query_scalar(NOW).fetch_one(&mut writer.connection).await;
        let now: i64 = now.map_err(|error| store_error(&error))?;
        writer.release();
        DateTime::from_timestamp_micros(now)
            .ok_or_else(|| StoreError::Unavailable("the clock is out of range".to_owned()))
    }

    async fn waiting(
        &mut self,
        committed_until: DateTime<Utc>,
        after: Option<&RawOutboxKey>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let mut writer = self.writer.acquire().await?;
        let query = sqlx::query(WAITING)
            .bind(after.map_or("", |key| key.order_id.as_str()))
            .bind(after.map_or(0, |key| key.version))
            .bind(after.map_or("", |key| key.event_id.as_str()))
            .bind(committed_until.timestamp_micros())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows =
            query.fetch_all(&mut writer.connection).await.map_err(|error| store_error(&error))?;
        writer.release();
        rows.iter().map(outbox_row).collect()
    }

    async fn remove(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let mut writer = self.writer.acquire().await?;
        outbox::remove(&mut writer.connection, published).await?;
        writer.release();
        Ok(())
    }
}
