//! The port of the audit log of revealed e-mail addresses.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::domain::OrderId;

/// An operator revealed the e-mail address of an order's customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PiiAccess {
    pub at: DateTime<Utc>,
    /// The name of the operator's token.
    pub who: String,
    pub order_id: OrderId,
}

/// Records accesses permanently.
#[async_trait]
pub trait PiiAccessLog: Debug + Send + Sync {
    /// The record MUST be committed when this returns; the address is shown only after that.
    ///
    /// # Errors
    /// When the database is unavailable.
    async fn record_access(&self, access: &PiiAccess) -> Result<(), StoreError>;

    /// At most `limit` accesses of an order, the latest first.
    ///
    /// # Errors
    /// When the database is unavailable or contains an invalid row.
    async fn accesses(&self, order_id: &OrderId, limit: u32) -> Result<Vec<PiiAccess>, StoreError>;
}
