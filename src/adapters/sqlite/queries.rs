//! Questions about orders.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool};
use sqlx::{AssertSqlSafe, Sqlite};

use super::errors::store_error;
use super::rows::{entry_from, handled_columns, handled_from, order_columns, order_from};
use crate::domain::{MessageId, Order, OrderId, Status};
use crate::service_layer::{HandledMessage, OrderHistory, OrderQueries, OrderQuery, StoreError};

/// Reads orders through a small pool.
#[derive(Debug, Clone)]
pub struct SqliteQueries {
    readers: SqlitePool,
}

const ORDERS: &str = concat!("select ", order_columns!(), " from orders o where ");

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

type SqliteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

impl SqliteQueries {
    pub(super) fn new(readers: SqlitePool) -> Self {
        Self { readers }
    }
}

impl OrderQueries for SqliteQueries {
    async fn orders(&self, query: &OrderQuery, limit: u32) -> Result<Vec<Order>, StoreError> {
        let (condition, sorted) = condition(query);
        let statement = format!("{ORDERS} {condition} order by {sorted} limit ?1");
        let statement = bind(sqlx::query(AssertSqlSafe(statement)).bind(limit), query);
        let rows = statement.fetch_all(&self.readers).await;
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

    async fn message(&self, message_id: &MessageId) -> Result<Option<HandledMessage>, StoreError> {
        let query = sqlx::query(HANDLED).bind(message_id.as_str());
        let found = query.fetch_optional(&self.readers).await;
        found.map_err(|error| store_error(&error))?.as_ref().map(handled_from).transpose()
    }
}

/// The condition of a query, with its parameters from `?2` on, and its sort order.
fn condition(query: &OrderQuery) -> (&'static str, &'static str) {
    const BY_STATUS: &str = "status, created_at desc, order_id";
    const NEWEST_FIRST: &str = "created_at desc, order_id";
    match query {
        OrderQuery::OfCustomer(_) => ("customer_id = ?2", BY_STATUS),
        OrderQuery::IncompleteOf(_) => ("customer_id = ?2 and status <> ?3", BY_STATUS),
        OrderQuery::CompletedOf(_) => ("customer_id = ?2 and status = ?3", NEWEST_FIRST),
        OrderQuery::InStatus(_) => ("status = ?2", NEWEST_FIRST),
        OrderQuery::CreatedBetween { .. } => ("created_at between ?2 and ?3", NEWEST_FIRST),
        OrderQuery::All => ("true", NEWEST_FIRST),
    }
}

fn bind<'q>(statement: SqliteQuery<'q>, query: &'q OrderQuery) -> SqliteQuery<'q> {
    match query {
        OrderQuery::OfCustomer(customer_id) => statement.bind(customer_id.as_str()),
        OrderQuery::IncompleteOf(customer_id) | OrderQuery::CompletedOf(customer_id) => {
            statement.bind(customer_id.as_str()).bind(Status::Completed.code())
        }
        OrderQuery::InStatus(status) => statement.bind(status.code()),
        OrderQuery::CreatedBetween { start, end } => {
            statement.bind(start.timestamp_micros()).bind(end.timestamp_micros())
        }
        OrderQuery::All => statement,
    }
}
