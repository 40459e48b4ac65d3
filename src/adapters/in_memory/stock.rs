//! What waits in a database in memory.

use super::InMemoryDatabase;
use crate::adapters::clock::SystemClock;
use crate::service_layer::{Clock, Stock, Stocktaking, StoreError};

impl Stocktaking for InMemoryDatabase {
    async fn stock(&mut self) -> Result<Stock, StoreError> {
        let tables = self.lock().await?;
        let outbox = tables.outbox_at(SystemClock.now());
        Ok(Stock { has_orders: tables.orders().next().is_some(), outbox, open_letters: None })
    }
}
