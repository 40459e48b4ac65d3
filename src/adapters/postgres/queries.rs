//! Questions about orders.

use sqlx::postgres::{PgArguments, PgPool};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};

use super::connection::{ANSWER_TIMEOUT, within};
use super::load::{HANDLED, SELECT_FOUND, parsed};
use crate::adapters::rows::{HandledRow, HistoryRecord, OrderRow};
use crate::domain::{MessageId, Order, OrderId, Status};
use crate::service_layer::{
    HandledMessage, OrderHistory, OrderQueries, OrderQuery, Page, Place, Sort, StoreError,
};

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

impl OrderQueries for PgQueries {
    async fn orders(&self, query: &OrderQuery, page: &Page) -> Result<Vec<Order>, StoreError> {
        let rows = self.order_rows(page_statement(query, page).build()).await?;
        rows.into_iter().map(OrderRow::into_order).collect()
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

/// The orders of a page with their items.
///
/// A customer's orders are found by the customer: the `+ 0` keeps the index of statuses out of it.
/// Other lists have the newest orders of each status from that index, at most a page of each, and
/// take the newest of those.
fn page_statement(query: &OrderQuery, page: &Page) -> QueryBuilder<Postgres> {
    let sorted = match query.sort() {
        Sort::ByStatus => "status, created_at desc, order_id",
        Sort::NewestFirst => "created_at desc, order_id",
    };
    let limit = i64::from(page.limit);
    let statuses: Vec<i16> = statuses(query).map(Status::code).collect();
    let mut sql = QueryBuilder::new("with page as (select o.* from ");
    if let Some(customer_id) = &query.customer_id {
        sql.push("orders o where customer_id = ").push_bind(customer_id.as_str());
        sql.push(" and status + 0 = any(").push_bind(statuses).push(")");
        push_moments_and_place(&mut sql, query, page);
    } else {
        sql.push("unnest(").push_bind(statuses).push("::smallint[]) as wanted (status)");
        sql.push(" cross join lateral (select * from orders where status = wanted.status");
        push_moments_and_place(&mut sql, query, page);
        sql.push(format_args!(" order by {sorted} limit ")).push_bind(limit).push(") o");
    }
    sql.push(format_args!(" order by {sorted} limit ")).push_bind(limit);
    sql.push(format_args!(
        "), found as (select *, row_number() over (order by {sorted}) as place from page)"
    ));
    sql.push(SELECT_FOUND);
    sql
}

fn statuses(query: &OrderQuery) -> impl Iterator<Item = Status> {
    let asked = move |status: &Status| query.status.is_none_or(|filter| filter.includes(*status));
    Status::ALL.into_iter().filter(asked)
}

fn push_moments_and_place(sql: &mut QueryBuilder<Postgres>, query: &OrderQuery, page: &Page) {
    for (operator, moment) in [(">=", query.from), ("<=", page.until(query))] {
        if let Some(moment) = moment {
            sql.push(format_args!(" and created_at {operator} ")).push_bind(moment);
        }
    }
    if let Some(place) = &page.after {
        push_behind(sql, query.sort(), place);
    }
}

/// Adds the condition of orders behind a place; see [`Page::until`] for its other half.
fn push_behind(sql: &mut QueryBuilder<Postgres>, sort: Sort, place: &Place) {
    let status = place.status.code();
    match sort {
        Sort::ByStatus => {
            sql.push(" and status >= ").push_bind(status);
            sql.push(" and (status > ").push_bind(status);
            sql.push(" or created_at < ").push_bind(place.created_at);
            sql.push(" or created_at = ").push_bind(place.created_at).push(" and order_id > ");
        }
        Sort::NewestFirst => {
            sql.push(" and (created_at < ").push_bind(place.created_at).push(" or order_id > ");
        }
    }
    sql.push_bind(place.order_id.as_str()).push(")");
}
