//! The read side of the in-memory database.

use super::InMemoryDatabase;
use async_trait::async_trait;
use order_worker::domain::{MessageId, Order, OrderId};
use order_worker::service_layer::{
    Cause, HistoryEntry, HistoryRow, InboxEntry, OrderCursor, OrderHistory, OrderQueries,
    OrderQuery, Page, StoreError,
};

/// Queries on the in-memory database.
#[derive(Debug, Clone)]
pub struct InMemoryQueries {
    database: InMemoryDatabase,
}

impl InMemoryQueries {
    pub(super) fn new(database: InMemoryDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl OrderQueries for InMemoryQueries {
    async fn orders(&self, query: &OrderQuery, page: &Page) -> Result<Vec<Order>, StoreError> {
        let tables = self.database.lock().await?;
        let key = |cursor: &OrderCursor| cursor.key(query.sort());
        let after = page.after.as_ref().map(key);
        let found = tables.orders().filter(|order| query.matches(order));
        let mut found: Vec<_> = found.map(|order| (key(&OrderCursor::of(order)), order)).collect();
        found.retain(|(place, _)| after.as_ref().is_none_or(|after| place > after));
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let found = found.into_iter().take(page.limit as usize);
        Ok(found.map(|(_, order)| order.clone()).collect())
    }

    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError> {
        let tables = self.database.lock().await?;
        Ok(tables.order(order_id).map(|order| OrderHistory {
            order: order.clone(),
            history: tables.history(order_id).iter().map(entry).collect(),
        }))
    }

    async fn message(&self, message_id: &MessageId) -> Result<Option<InboxEntry>, StoreError> {
        Ok(self.database.lock().await?.handled(message_id))
    }
}

fn entry(row: &HistoryRow) -> HistoryEntry {
    HistoryEntry {
        version: row.change.version,
        previous: row.change.previous,
        status: row.change.status,
        at: row.change.at,
        cause: Cause {
            command: row.command.name().to_owned(),
            message_id: row.caused_by.as_ref().map(ToString::to_string),
            reason: row.reason.clone(),
        },
    }
}
