//! The port of the record of who was shown what the console hides.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::domain::OrderId;

/// Somebody was shown the e-mail address of an order's customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PiiAccess {
    pub at: DateTime<Utc>,
    /// The name of their token.
    pub who: String,
    pub order_id: OrderId,
}

/// Keeps disclosures for good.
#[async_trait]
pub trait PiiAccessLog: Debug + Send + Sync {
    /// MUST be committed when this answers: only then is anything shown.
    ///
    /// # Errors
    /// When the database is in trouble.
    async fn record_access(&self, access: &PiiAccess) -> Result<(), StoreError>;

    /// At most `limit` disclosures of an order, the latest first.
    ///
    /// # Errors
    /// When the database is in trouble or holds a row that is no disclosure.
    async fn accesses(&self, order_id: &OrderId, limit: u32) -> Result<Vec<PiiAccess>, StoreError>;
}
