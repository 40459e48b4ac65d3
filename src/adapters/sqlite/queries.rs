//! The read side: orders, their history, and handled messages.

use async_trait::async_trait;
use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Sqlite};

use super::errors::store_error;
use super::rows::{entry_from, handled_columns, handled_from, order_columns, order_from};
use crate::domain::{MessageId, Order, OrderId, Status};
use crate::service_layer::{
    InboxEntry, OrderCursor, OrderHistory, OrderQueries, OrderQuery, Page, Sort, StatusFilter,
    StoreError,
};

/// Reads orders through the pool for readers.
#[derive(Debug, Clone)]
pub struct SqliteQueries {
    readers: SqlitePool,
}

const ORDERS: &str = concat!("select ", order_columns!(), " from orders o where true");

const ORDER: &str = concat!("select ", order_columns!(), " from orders o where o.order_id = ?1");

const HISTORY: &str = "
select version, previous_status, status, changed_at, command, caused_by, reason
from order_history where order_id = ?1 order by version";

const HANDLED: &str = concat!(
    "select ",
    handled_columns!(),
    " from handled_messages h left join orders o on o.order_id = h.order_id
      where h.message_id = ?1"
);

impl SqliteQueries {
    pub(super) fn new(readers: SqlitePool) -> Self {
        Self { readers }
    }
}

#[async_trait]
impl OrderQueries for SqliteQueries {
    async fn orders(&self, query: &OrderQuery, page: &Page) -> Result<Vec<Order>, StoreError> {
        let mut statement = page_statement(query, page);
        let rows = statement.build().fetch_all(&self.readers).await;
        rows.map_err(|error| store_error(&error))?.iter().map(order_from).collect()
    }

    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError> {
        let found = sqlx::query(ORDER).bind(order_id.as_str()).fetch_optional(&self.readers).await;
        let Some(order) = found.map_err(|error| store_error(&error))? else {
            return Ok(None);
        };
        let history = sqlx::query(HISTORY).bind(order_id.as_str()).fetch_all(&self.readers).await;
        let history = history.map_err(|error| store_error(&error))?;
        Ok(Some(OrderHistory {
            order: order_from(&order)?,
            history: history.iter().map(entry_from).collect::<Result<_, _>>()?,
        }))
    }

    async fn message(&self, message_id: &MessageId) -> Result<Option<InboxEntry>, StoreError> {
        let query = sqlx::query(HANDLED).bind(message_id.as_str());
        let found = query.fetch_optional(&self.readers).await;
        found.map_err(|error| store_error(&error))?.as_ref().map(handled_from).transpose()
    }
}

/// Orders of a customer are found by the index on customers: a unary `+` keeps SQLite from using
/// the indexes on other columns.
fn page_statement(query: &OrderQuery, page: &Page) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(ORDERS);
    let plus = if query.customer_id.is_some() { "+" } else { "" };
    if let Some(customer_id) = &query.customer_id {
        sql.push(" and o.customer_id = ").push_bind(customer_id.as_str());
    }
    if let Some(filter) = query.status {
        let (operator, status) = match filter {
            StatusFilter::Only(status) => ("=", status),
            StatusFilter::Incomplete => ("<>", Status::Completed),
        };
        sql.push(format_args!(" and {plus}o.status {operator} ")).push_bind(status.code());
    }
    for (operator, moment) in [(">=", query.from), ("<=", page.until(query))] {
        if let Some(moment) = moment {
            sql.push(format_args!(" and {plus}o.created_at {operator} "));
            sql.push_bind(moment.timestamp_micros());
        }
    }
    if let Some(cursor) = &page.after {
        push_after(&mut sql, query.sort(), cursor);
    }
    sql.push(match query.sort() {
        Sort::ByStatus => " order by o.status, o.created_at desc, o.order_id limit ",
        Sort::NewestFirst => " order by o.created_at desc, o.order_id limit ",
    });
    sql.push_bind(page.limit);
    sql
}

/// Adds the condition for orders after the cursor; see [`Page::until`] for its other half.
fn push_after(sql: &mut QueryBuilder<Sqlite>, sort: Sort, cursor: &OrderCursor) {
    let created_at = cursor.created_at.timestamp_micros();
    match sort {
        Sort::ByStatus => {
            sql.push(" and (o.status, -o.created_at, o.order_id) > (");
            sql.push_bind(cursor.status.code()).push(", ").push_bind(-created_at).push(", ");
        }
        Sort::NewestFirst => {
            sql.push(" and (o.created_at < ").push_bind(created_at).push(" or o.order_id > ");
        }
    }
    sql.push_bind(cursor.order_id.as_str()).push(")");
}
