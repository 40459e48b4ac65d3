//! Builds the statements for pages of orders.

use sqlx::{Execute, Postgres, QueryBuilder};

use super::order_rows::order_columns;
use super::pool::PgQuery;
use crate::domain::Status;
use crate::service_layer::{OrderCursor, OrderQuery, Page, Sort};

/// The orders of a page, without their items.
///
/// Orders of a customer are found by the index on customers; `+ 0` keeps the planner from using the
/// index on statuses. Other lists take up to a page of the newest orders of each status from that
/// index, and then the newest of those.
pub(super) fn page_statement(query: &OrderQuery, page: &Page) -> PgQuery<'static> {
    let sorted = match query.sort() {
        Sort::ByStatus => "status, created_at desc, order_id",
        Sort::NewestFirst => "created_at desc, order_id",
    };
    let limit = i64::from(page.limit);
    let mut sql = QueryBuilder::new(concat!("select ", order_columns!(), " from "));
    if let Some(customer_id) = &query.customer_id {
        sql.push("orders where customer_id = ").push_bind(customer_id.as_str());
        if query.status.is_some() {
            sql.push(" and status + 0 = any(").push_bind(statuses(query)).push(")");
        }
        push_period_and_cursor(&mut sql, query, page);
    } else {
        sql.push("unnest(").push_bind(statuses(query)).push("::smallint[]) as wanted (wanted)");
        sql.push(" cross join lateral (select * from orders where status = wanted");
        push_period_and_cursor(&mut sql, query, page);
        sql.push(format_args!(" order by {sorted} limit ")).push_bind(limit).push(") found");
    }
    sql.push(format_args!(" order by {sorted} limit ")).push_bind(limit);
    // Cannot fail: the builder has already encoded the values.
    let values = sql.build().take_arguments().ok().flatten().unwrap_or_default();
    sqlx::query_with(sql.into_sql(), values)
}

/// The codes of the requested statuses.
fn statuses(query: &OrderQuery) -> Vec<i16> {
    let is_requested = |status: &Status| query.status.is_none_or(|filter| filter.includes(*status));
    Status::ALL.into_iter().filter(is_requested).map(Status::code).collect()
}

fn push_period_and_cursor(sql: &mut QueryBuilder<Postgres>, query: &OrderQuery, page: &Page) {
    for (operator, moment) in [(">=", query.from), ("<=", page.until(query))] {
        if let Some(moment) = moment {
            sql.push(format_args!(" and created_at {operator} ")).push_bind(moment);
        }
    }
    if let Some(cursor) = &page.after {
        push_after(sql, query.sort(), cursor);
    }
}

/// Adds the condition for orders after the cursor; see [`Page::until`] for its other half.
fn push_after(sql: &mut QueryBuilder<Postgres>, sort: Sort, cursor: &OrderCursor) {
    let status = cursor.status.code();
    match sort {
        Sort::ByStatus => {
            sql.push(" and status >= ").push_bind(status);
            sql.push(" and (status > ").push_bind(status);
            sql.push(" or created_at < ").push_bind(cursor.created_at);
            sql.push(" or created_at = ").push_bind(cursor.created_at).push(" and order_id > ");
        }
        Sort::NewestFirst => {
            sql.push(" and (created_at < ").push_bind(cursor.created_at).push(" or order_id > ");
        }
    }
    sql.push_bind(cursor.order_id.as_str()).push(")");
}
