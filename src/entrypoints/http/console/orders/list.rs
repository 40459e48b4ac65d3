//! Orders that somebody looks for, in pages.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::search::Search;
use crate::domain::{Order, OrderId};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{
    address, notice, order_status, pages, timestamp,
};
use crate::entrypoints::http::console::layout::{Section, page};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{InvalidQuery, Page, Place};

/// Orders on a page.
const ON_A_PAGE: u32 = 50;

pub async fn show(
    visitor: CurrentUser,
    State(app): State<App>,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    let order_id = search.order.trim();
    if !order_id.is_empty() {
        return by_id(&visitor, &app, &search, order_id).await;
    }
    let (query, after) = match search.query().and_then(|query| Ok((query, search.after()?))) {
        Ok(asked) => asked,
        Err(invalid) => return Ok(misunderstood(&visitor, &search, &invalid)),
    };
    // One more than is shown tells whether there are more.
    let mut orders =
        app.database()?.orders().orders(&query, &Page { after, limit: ON_A_PAGE + 1 }).await?;
    let has_more = orders.len() > ON_A_PAGE as usize;
    orders.truncate(ON_A_PAGE as usize);
    let next = orders.last().filter(|_| has_more);
    let next = next.map(|last| search.address(&Place::of(last).to_string()));
    let found = html! {
        @if orders.is_empty() { (nothing(&search)) } @else { (table(&orders)) }
        (pages(search.first().as_deref(), next.as_deref()))
    };
    Ok(with_form(&visitor, &search, &found))
}

async fn by_id(
    visitor: &CurrentUser,
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
    let nothing = html! { p .empty { "There is no order " bdi { (order_id) } "." } };
    Ok(with_form(visitor, search, &nothing))
}

fn misunderstood(visitor: &CurrentUser, search: &Search, invalid: &InvalidQuery) -> Response {
    with_form(visitor, search, &notice::trouble(&html! { (invalid) }))
}

fn with_form(visitor: &CurrentUser, search: &Search, found: &Markup) -> Response {
    let body = html! { h1 { "Orders" } (search.form()) (found) };
    page(visitor, Section::Orders, "Orders", body).into_response()
}

fn nothing(search: &Search) -> Markup {
    html! {
        p .empty {
            @if search.is_empty() { "There are no orders yet. " a href="/" { "The overview" } " says how to get some." }
            @else { "No order is like that." }
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
            td data-label="Customer" { (customer_link(customer.customer_id.as_str())) " " bdi { (customer.name) } }
            td .number data-label="Items" { (order.items().iter().len()) }
            td .number data-label="Total" { (order.total()) }
            td data-label="Created" { (timestamp(order.created_at())) }
        }
    }
}

/// A link to all orders of a customer.
pub fn customer_link(customer_id: &str) -> Markup {
    let address = address::with("/orders", &[("customer", customer_id)]);
    html! { a href=(address) { bdi { (customer_id) } } }
}
