//! The log of who revealed which e-mail address.

use async_trait::async_trait;
use chrono::DateTime;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::errors::store_error;
use super::rows::undecodable;
use super::writer::Writer;
use crate::domain::OrderId;
use crate::service_layer::{PiiAccess, PiiAccessLog, StoreError};

/// Writes and reads the table `email_disclosures`.
#[derive(Debug, Clone)]
pub struct SqlitePiiAccessLog {
    writer: Writer,
    readers: SqlitePool,
}

const RECORD: &str =
    "insert into email_disclosures (disclosed_at, who, order_id) values (?1, ?2, ?3)";

const LATEST_OF_ORDER: &str = "
    select disclosed_at, who from email_disclosures where order_id = ?1 order by id desc limit ?2";

impl SqlitePiiAccessLog {
    pub(super) fn new(writer: Writer, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }
}

#[async_trait]
impl PiiAccessLog for SqlitePiiAccessLog {
    async fn record_access(&self, access: &PiiAccess) -> Result<(), StoreError> {
        let PiiAccess { at, who, order_id } = access;
        let mut writer = self.writer.acquire().await?;
        let record = sqlx::query(RECORD).bind(at.timestamp_micros()).bind(who);
        let recorded = record.bind(order_id.as_str()).execute(&mut writer.connection).await;
        recorded.map_err(|error| store_error(&error))?;
        writer.release();
        Ok(())
    }

    async fn accesses(&self, order_id: &OrderId, limit: u32) -> Result<Vec<PiiAccess>, StoreError> {
        let found = sqlx::query(LATEST_OF_ORDER).bind(order_id.as_str()).bind(limit);
        let rows = found.fetch_all(&self.readers).await.map_err(|error| store_error(&error))?;
        let read = |row| access_from(row, order_id).map_err(|error| store_error(&error));
        rows.iter().map(read).collect()
    }
}

fn access_from(row: &SqliteRow, order_id: &OrderId) -> Result<PiiAccess, sqlx::Error> {
    let at = DateTime::from_timestamp_micros(row.try_get("disclosed_at")?);
    let at = at.ok_or_else(|| undecodable("disclosed_at", "is out of range for a timestamp"))?;
    Ok(PiiAccess { at, who: row.try_get("who")?, order_id: order_id.clone() })
}
