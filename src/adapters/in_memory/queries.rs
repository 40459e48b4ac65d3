//! Questions about orders in memory.

use std::cmp::Reverse;

use super::InMemoryDatabase;
use crate::domain::{CustomerId, MessageId, Order, OrderId, Status};
use crate::service_layer::{
    Cause, HandledMessage, HistoryEntry, HistoryRow, OrderHistory, OrderQueries, OrderQuery,
    StoreError,
};

/// Reads orders in memory.
#[derive(Debug, Clone)]
pub struct InMemoryQueries {
    database: InMemoryDatabase,
}

impl InMemoryQueries {
    pub(super) fn new(database: InMemoryDatabase) -> Self {
        Self { database }
    }
}

impl OrderQueries for InMemoryQueries {
    async fn orders(&self, query: &OrderQuery, limit: u32) -> Result<Vec<Order>, StoreError> {
        let tables = self.database.lock().await?;
        let mut found: Vec<&Order> =
            tables.orders().filter(|order| asks_for(query, order)).collect();
        let by_status = matches!(query, OrderQuery::OfCustomer(_) | OrderQuery::IncompleteOf(_));
        found.sort_by_key(|order| {
            (by_status.then(|| order.status()), Reverse(order.created_at()), order.order_id())
        });
        Ok(found.into_iter().take(limit as usize).cloned().collect())
    }

    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError> {
        let tables = self.database.lock().await?;
        Ok(tables.order(order_id).map(|order| OrderHistory {
            order: order.clone(),
            history: tables.history(order_id).iter().map(entry).collect(),
        }))
    }

    async fn message(&self, message_id: &MessageId) -> Result<Option<HandledMessage>, StoreError> {
        Ok(self.database.lock().await?.handled(message_id))
    }
}

fn asks_for(query: &OrderQuery, order: &Order) -> bool {
    let is_of = |customer_id: &CustomerId| order.customer().customer_id == *customer_id;
    match query {
        OrderQuery::OfCustomer(customer_id) => is_of(customer_id),
        OrderQuery::IncompleteOf(customer_id) => {
            is_of(customer_id) && order.status() != Status::Completed
        }
        OrderQuery::CompletedOf(customer_id) => {
            is_of(customer_id) && order.status() == Status::Completed
        }
        OrderQuery::InStatus(status) => order.status() == *status,
        OrderQuery::CreatedBetween { start, end } => (*start..=*end).contains(&order.created_at()),
        OrderQuery::All => true,
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
