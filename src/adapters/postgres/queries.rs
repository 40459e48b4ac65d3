//! Questions about orders.

use sqlx::postgres::{PgArguments, PgPool};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

use super::connection::{ANSWER_TIMEOUT, within};
use super::load::{HANDLED, SELECT_FOUND, parsed};
use crate::adapters::rows::{HandledRow, HistoryRecord, OrderRow};
use crate::domain::{MessageId, OrderId, Status};
use crate::service_layer::{HandledMessage, OrderHistory, OrderQueries, OrderQuery, StoreError};

/// Reads orders through a small pool.
#[derive(Debug, Clone)]
pub struct PgQueries {
    readers: PgPool,
}

const HISTORY: &str = "
    select json_agg(json_build_object(
        'version', version, 'previous_status', previous_status, 'status', status,
        'changed_at', changed_at, 'command', command, 'caused_by', caused_by, 'reason', reason)
        order by version)::text as history
    from order_history where order_id = $1";

impl PgQueries {
    pub(super) fn new(readers: PgPool) -> Self {
        Self { readers }
    }

    async fn order_rows(&self, query: PgQuery<'_>) -> Result<Vec<OrderRow>, StoreError> {
        parsed(&within(ANSWER_TIMEOUT, query.fetch_one(&self.readers)).await?, "orders")
    }
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// The condition of a query, with its parameters from `$2` on, and its sort order.
fn condition(query: &OrderQuery) -> (&'static str, &'static str) {
    const BY_STATUS: &str = "status, created_at desc, order_id";
    const NEWEST_FIRST: &str = "created_at desc, order_id";
    match query {
        OrderQuery::OfCustomer(_) => ("customer_id = $2", BY_STATUS),
        OrderQuery::IncompleteOf(_) => ("customer_id = $2 and status <> $3", BY_STATUS),
        OrderQuery::CompletedOf(_) => ("customer_id = $2 and status = $3", NEWEST_FIRST),
        OrderQuery::InStatus(_) => ("status = $2", NEWEST_FIRST),
        OrderQuery::CreatedBetween { .. } => ("created_at between $2 and $3", NEWEST_FIRST),
        OrderQuery::All => ("true", NEWEST_FIRST),
    }
}

impl OrderQueries for PgQueries {
    async fn orders(
        &self,
        query: &OrderQuery,
        limit: u32,
    ) -> Result<Vec<crate::domain::Order>, StoreError> {
        let (condition, sorted) = condition(query);
        let statement = format!(
            "with found as (select *, row_number() over (order by {sorted}) as place from orders
             where {condition} order by {sorted} limit $1) {SELECT_FOUND}"
        );
        let statement = sqlx::query(AssertSqlSafe(statement)).bind(i64::from(limit));
        let completed = Status::Completed.code();
        let statement = match query {
            OrderQuery::OfCustomer(customer_id) => statement.bind(customer_id.as_str()),
            OrderQuery::IncompleteOf(customer_id) | OrderQuery::CompletedOf(customer_id) => {
                statement.bind(customer_id.as_str()).bind(completed)
            }
            OrderQuery::InStatus(status) => statement.bind(status.code()),
            OrderQuery::CreatedBetween { start, end } => statement.bind(*start).bind(*end),
            OrderQuery::All => statement,
        };
        self.order_rows(statement).await?.into_iter().map(OrderRow::into_order).collect()
    }

    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError> {
        let statement = format!(
            "with found as (select *, 1 as place from orders where order_id = $1) {SELECT_FOUND}"
        );
        let found =
            self.order_rows(sqlx::query(AssertSqlSafe(statement)).bind(order_id.as_str())).await?;
        let Some(order) = found.into_iter().next() else { return Ok(None) };
        let history = sqlx::query(HISTORY).bind(order_id.as_str());
        let row = within(ANSWER_TIMEOUT, history.fetch_one(&self.readers)).await?;
        let history = parsed::<HistoryRecord>(&row, "history")?;
        Ok(Some(OrderHistory {
            order: order.into_order()?,
            history: history
                .into_iter()
                .map(HistoryRecord::into_entry)
                .collect::<Result<_, _>>()?,
        }))
    }

    async fn message(&self, message_id: &MessageId) -> Result<Option<HandledMessage>, StoreError> {
        let query = sqlx::query(HANDLED).bind(vec![message_id.as_str()]);
        let row = within(ANSWER_TIMEOUT, query.fetch_one(&self.readers)).await?;
        let handled = parsed::<HandledRow>(&row, "handled")?.into_iter().next();
        handled.map(HandledRow::into_handled).transpose()
    }
}
