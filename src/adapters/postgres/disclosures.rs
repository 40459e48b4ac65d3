//! The record of disclosures.

use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};

use super::connection::{ANSWER_TIMEOUT, store_error, within};
use crate::domain::OrderId;
use crate::service_layer::{Disclosure, Disclosures, StoreError};

/// Keeps who was shown what.
#[derive(Debug, Clone)]
pub struct PgDisclosures {
    pool: PgPool,
}

const RECORD: &str =
    "insert into email_disclosures (disclosed_at, who, order_id) values ($1, $2, $3)";

const OF_ORDER: &str = "
    select disclosed_at, who from email_disclosures where order_id = $1 order by id desc limit $2";

impl PgDisclosures {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

impl Disclosures for PgDisclosures {
    async fn record_disclosure(&self, disclosure: &Disclosure) -> Result<(), StoreError> {
        let Disclosure { at, who, order_id } = disclosure;
        let record = sqlx::query(RECORD).bind(at).bind(who).bind(order_id.as_str());
        within(ANSWER_TIMEOUT, record.execute(&self.pool)).await.map(drop)
    }

    async fn disclosures(
        &self,
        order_id: &OrderId,
        limit: u32,
    ) -> Result<Vec<Disclosure>, StoreError> {
        let found = sqlx::query(OF_ORDER).bind(order_id.as_str()).bind(i64::from(limit));
        let rows = within(ANSWER_TIMEOUT, found.fetch_all(&self.pool)).await?;
        let read = |row| disclosure(row, order_id).map_err(|error| store_error(&error));
        rows.iter().map(read).collect()
    }
}

fn disclosure(row: &PgRow, order_id: &OrderId) -> Result<Disclosure, sqlx::Error> {
    let (at, who) = (row.try_get("disclosed_at")?, row.try_get("who")?);
    Ok(Disclosure { at, who, order_id: order_id.clone() })
}
