//! The statements behind lists of orders.

use sqlx::{Execute, Postgres, QueryBuilder};

use super::order_rows::order_columns;
use super::pool::Question;
use crate::domain::Status;
use crate::service_layer::{OrderQuery, Page, Place, Sort};

/// The orders of a page, without their items.
///
/// A customer's orders are found by the customer: the `+ 0` keeps the index of statuses out of it.
/// Other lists have the newest orders of each status from that index, at most a page of each, and
/// take the newest of those.
pub(super) fn page_statement(query: &OrderQuery, page: &Page) -> Question {
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
        push_moments_and_place(&mut sql, query, page);
    } else {
        sql.push("unnest(").push_bind(statuses(query)).push("::smallint[]) as wanted (wanted)");
        sql.push(" cross join lateral (select * from orders where status = wanted");
        push_moments_and_place(&mut sql, query, page);
        sql.push(format_args!(" order by {sorted} limit ")).push_bind(limit).push(") found");
    }
    sql.push(format_args!(" order by {sorted} limit ")).push_bind(limit);
    // The builder has encoded them: what could not be would have ended there.
    let values = sql.build().take_arguments().ok().flatten().unwrap_or_default();
    sqlx::query_with(sql.into_sql(), values)
}

/// The codes of the statuses that are asked for.
fn statuses(query: &OrderQuery) -> Vec<i16> {
    let asked = |status: &Status| query.status.is_none_or(|filter| filter.includes(*status));
    Status::ALL.into_iter().filter(asked).map(Status::code).collect()
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
