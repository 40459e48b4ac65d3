//! The log of who revealed which e-mail address.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::errors::store_error;
use super::pool::Pool;
use crate::domain::OrderId;
use crate::service_layer::{PiiAccess, PiiAccessLog, StoreError};

/// Writes and reads the table `email_disclosures`.
#[derive(Debug, Clone)]
pub struct PgPiiAccessLog {
    pool: Pool,
}

const RECORD: &str =
    "insert into email_disclosures (disclosed_at, who, order_id) values ($1, $2, $3)";

const LATEST_OF_ORDER: &str = "
    select disclosed_at, who from email_disclosures where order_id = $1 order by id desc limit $2";

impl PgPiiAccessLog {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl PiiAccessLog for PgPiiAccessLog {
    async fn record_access(&self, access: &PiiAccess) -> Result<(), StoreError> {
        let PiiAccess { at, who, order_id } = access;
        let record = || sqlx::query(RECORD).bind(at).bind(who).bind(order_id.as_str());
        // Repeated after a lost connection: a duplicate row is better than a missing one.
        self.pool.execute(record).await
    }

    async fn accesses(&self, order_id: &OrderId, limit: u32) -> Result<Vec<PiiAccess>, StoreError> {
        let found = || sqlx::query(LATEST_OF_ORDER).bind(order_id.as_str()).bind(i64::from(limit));
        let rows = self.pool.fetch_all(found).await?;
        let read = |row| access_from(row, order_id).map_err(|error| store_error(&error));
        rows.iter().map(read).collect()
    }
}

fn access_from(row: &PgRow, order_id: &OrderId) -> Result<PiiAccess, sqlx::Error> {
    let (at, who) = (row.try_get("disclosed_at")?, row.try_get("who")?);
    Ok(PiiAccess { at, who, order_id: order_id.clone() })
}
