//! The backlog of the in-memory database.

use super::InMemoryDatabase;
use async_trait::async_trait;
use order_worker::adapters::clock::SystemClock;
use order_worker::messages::Backlog;
use order_worker::service_layer::{BacklogProbe, Clock, StoreError};

#[async_trait]
impl BacklogProbe for InMemoryDatabase {
    async fn backlog(&mut self) -> Result<Backlog, StoreError> {
        let tables = self.lock().await?;
        let outbox = tables.outbox_at(SystemClock.now());
        Ok(Backlog {
            has_orders: tables.orders().next().is_some(),
            outbox,
            open_dead_letters: None,
        })
    }
}
