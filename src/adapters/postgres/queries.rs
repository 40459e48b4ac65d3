//! The read side: orders, their history, and handled messages.

use async_trait::async_trait;

use super::load::{HANDLED, parsed};
use super::order_rows::{order_columns, orders_with_items};
use super::pages::page_statement;
use super::pool::Pool;
use crate::adapters::rows::{HandledRow, HistoryRecord};
use crate::domain::{MessageId, Order, OrderId};
use crate::service_layer::{InboxEntry, OrderHistory, OrderQueries, OrderQuery, Page, StoreError};

/// Reads orders through the pool for readers.
#[derive(Debug, Clone)]
pub struct PgQueries {
    readers: Pool,
}

const ORDER: &str = concat!("select ", order_columns!(), " from orders where order_id = $1");

const HISTORY: &str = "
    select json_agg(json_build_object(
        'version', version, 'previous_status', previous_status, 'status', status,
        'changed_at', changed_at, 'command', command, 'caused_by', caused_by, 'reason', reason)
        order by version)::text as history
    from order_history where order_id = $1";

impl PgQueries {
    pub(super) fn new(readers: Pool) -> Self {
        Self { readers }
    }
}

#[async_trait]
impl OrderQueries for PgQueries {
    async fn orders(&self, query: &OrderQuery, page: &Page) -> Result<Vec<Order>, StoreError> {
        orders_with_items(&self.readers, || page_statement(query, page)).await
    }

    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError> {
        let order = || sqlx::query(ORDER).bind(order_id.as_str());
        let found = orders_with_items(&self.readers, order).await?;
        let Some(order) = found.into_iter().next() else { return Ok(None) };
        let history = || sqlx::query(HISTORY).bind(order_id.as_str());
        let row = self.readers.fetch_one(history).await?;
        let history = parsed::<HistoryRecord>(&row, "history")?;
        Ok(Some(OrderHistory {
            order,
            history: history
                .into_iter()
                .map(HistoryRecord::into_entry)
                .collect::<Result<_, _>>()?,
        }))
    }

    async fn message(&self, message_id: &MessageId) -> Result<Option<InboxEntry>, StoreError> {
        let query = || sqlx::query(HANDLED).bind(vec![message_id.as_str()]);
        let row = self.readers.fetch_one(query).await?;
        let handled = parsed::<HandledRow>(&row, "handled")?.into_iter().next();
        handled.map(HandledRow::into_handled).transpose()
    }
}
