//! The record of disclosures.

use async_trait::async_trait;
use chrono::DateTime;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::errors::store_error;
use super::rows::undecodable;
use super::writer::Writer;
use crate::domain::OrderId;
use crate::service_layer::{PiiAccess, PiiAccessLog, StoreError};

/// Keeps who was shown what.
#[derive(Debug, Clone)]
pub struct SqlitePiiAccessLog {
    writer: Writer,
    readers: SqlitePool,
}

const RECORD: &str =
    "insert into email_disclosures (disclosed_at, who, order_id) values (?1, ?2, ?3)";

const OF_ORDER: &str = "
    select disclosed_at, who from email_disclosures where order_id = ?1 order by id desc limit ?2";

impl SqlitePiiAccessLog {
    pub(super) fn new(writer: Writer, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }
}

#[async_trait]
impl PiiAccessLog for SqlitePiiAccessLog {
    async fn record_disclosure(&self, disclosure: &PiiAccess) -> Result<(), StoreError> {
        let PiiAccess { at, who, order_id } = disclosure;
        let mut turn = self.writer.turn().await?;
        let record = sqlx::query(RECORD).bind(at.timestamp_micros()).bind(who);
        let recorded = record.bind(order_id.as_str()).execute(&mut turn.connection).await;
        recorded.map_err(|error| store_error(&error))?;
        turn.end();
        Ok(())
    }

    async fn disclosures(
        &self,
        order_id: &OrderId,
        limit: u32,
    ) -> Result<Vec<PiiAccess>, StoreError> {
        let found = sqlx::query(OF_ORDER).bind(order_id.as_str()).bind(limit);
        let rows = found.fetch_all(&self.readers).await.map_err(|error| store_error(&error))?;
        let read = |row| disclosure(row, order_id).map_err(|error| store_error(&error));
        rows.iter().map(read).collect()
    }
}

fn disclosure(row: &SqliteRow, order_id: &OrderId) -> Result<PiiAccess, sqlx::Error> {
    let at = DateTime::from_timestamp_micros(row.try_get("disclosed_at")?);
    let at = at.ok_or_else(|| undecodable("disclosed_at", "is no moment"))?;
    Ok(PiiAccess { at, who: row.try_get("who")?, order_id: order_id.clone() })
}
