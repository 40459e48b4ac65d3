//! The list of orders, with search.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::search::Search;
use crate::domain::{Order, OrderId};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{
    address, notice, order_status, pagination, timestamp,
};
use crate::entrypoints::http::console::layout::{Section, page};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{InvalidQuery, OrderCursor, Page};

const PAGE_SIZE: u32 = 50;

pub async fn show(
    user: CurrentUser,
    State(app): State<App>,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    let order_id = search.order.trim();
    if !order_id.is_empty() {
        return by_id(&user, &app, &search, order_id).await;
    }
    let (query, after) = match search.query().and_then(|query| Ok((query, search.after()?))) {
        Ok(valid) => valid,
        Err(invalid) => return Ok(invalid_search(&user, &search, &invalid)),
    };
    // One more than a page, to see whether there is a next page.
    let mut orders =
        app.database()?.orders().orders(&query, &Page { after, limit: PAGE_SIZE + 1 }).await?;
    let has_more = orders.len() > PAGE_SIZE as usize;
    orders.truncate(PAGE_SIZE as usize);
    let next = orders.last().filter(|_| has_more);
    let next = next.map(|last| search.url_from(&OrderCursor::of(last).to_string()));
    let results = html! {
        @if orders.is_empty() { (no_results(&search)) } @else { (table(&orders)) }
        (pagination(search.first_page_url().as_deref(), next.as_deref()))
    };
    Ok(with_form(&user, &search, &results))
}

async fn by_id(
    user: &CurrentUser,
    app: &App,
    search: &Search,
    order_id: &str,
) -> Result<Response, Problem> {
    let found = match OrderId::new(order_id) {
        Ok(order_id) => app.database()?.orders().order(&order_id).await?.is_some(),
        Err(_) => false,
    };
    if found {
        return Ok(Redirect::to(&address::order(order_id)).into_response());
    }
    let not_found = html! { p .empty { "Order " bdi { (order_id) } " not found" } };
    Ok(with_form(user, search, &not_found))
}

fn invalid_search(user: &CurrentUser, search: &Search, invalid: &InvalidQuery) -> Response {
    with_form(user, search, &notice::error(&html! { (invalid) }))
}

fn with_form(user: &CurrentUser, search: &Search, results: &Markup) -> Response {
    let body = html! { h1 { "Orders" } (search.form()) (results) };
    page(user, Section::Orders, "Orders", body).into_response()
}

fn no_results(search: &Search) -> Markup {
    html! {
        p .empty {
            @if search.is_empty() { "No orders yet. The " a href="/" { "overview" } " shows how to place one." }
            @else { "No orders match" }
        }
    }
}

fn table(orders: &[Order]) -> Markup {
    html! {
        div .panel {
            table .cards {
                thead {
                    tr {
                        th scope="col" { "Order" }
                        th scope="col" { "Status" }
                        th scope="col" { "Customer" }
                        th .number scope="col" { "Items" }
                        th .number scope="col" { "Total" }
                        th scope="col" { "Created" }
                    }
                }
                tbody { @for order in orders { (row(order)) } }
            }
        }
    }
}

fn row(order: &Order) -> Markup {
    let customer = order.customer();
    html! {
        tr {
            th scope="row" { (address::order_link(order.order_id().as_str())) }
            td data-label="Status" { (order_status(order.status())) }
            td data-label="Customer" { (address::customer_link(customer.customer_id.as_str())) " " bdi { (customer.name) } }
            td .number data-label="Items" { (order.items().iter().len()) }
            td .number data-label="Total" { (order.total()) }
            td data-label="Created" { (timestamp(order.created_at())) }
        }
    }
}
