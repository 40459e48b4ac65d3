//! The page of an order.

use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

use super::{actions, history, parse_order_id};
use crate::domain::{Item, Order, OrderId};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{
    address, email, form, order_status, timestamp,
};
use crate::entrypoints::http::console::layout::{self, Section, page};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{OrderHistory, PiiAccess};

/// Maximum number of accesses to the e-mail address that are shown.
const ACCESSES_SHOWN: u32 = 20;

const REFRESH_SECONDS: u32 = 5;

#[derive(Debug, Deserialize)]
pub struct OrderIdQuery {
    id: String,
}

/// The content of an order's page.
#[derive(Debug)]
pub struct OrderDetails {
    pub history: OrderHistory,
    pub accesses: Vec<PiiAccess>,
}

pub async fn show(
    user: CurrentUser,
    State(app): State<App>,
    Query(query): Query<OrderIdQuery>,
) -> Result<layout::Page, Problem> {
    let details = find(&app, &query.id()?).await?;
    Ok(page_of(&user, &details, &masked_email(&user, &details.history.order)))
}

impl OrderIdQuery {
    /// # Errors
    /// When the id is invalid.
    pub fn id(&self) -> Result<OrderId, Problem> {
        parse_order_id(&self.id)
    }
}

/// # Errors
/// When the order does not exist, or the database is unavailable.
pub async fn find(app: &App, order_id: &OrderId) -> Result<OrderDetails, Problem> {
    let database = app.database()?;
    let history = database.orders().order(order_id).await?;
    let history = history.ok_or_else(|| Problem::not_found("order not found"))?;
    let accesses = database.pii_access_log().accesses(order_id, ACCESSES_SHOWN).await?;
    Ok(OrderDetails { history, accesses })
}

/// The page, with the e-mail address masked or not.
pub fn page_of(user: &CurrentUser, details: &OrderDetails, email: &Markup) -> layout::Page {
    let OrderDetails { history: OrderHistory { order, history }, accesses } = details;
    let title = format!("Order {}", order.order_id());
    let body = html! {
        div #order data-refresh=(REFRESH_SECONDS) data-refresh-from=(address::order(order.order_id().as_str())) {
            div .heading {
                h1 { "Order " bdi { (order.order_id()) } }
                (order_status(order.status()))
            }
            @if user.may_operate() { (actions::buttons(user, order)) }
            (items(order))
            div .columns {
                div {
                    (customer(order, email))
                    @if user.may_operate() && !accesses.is_empty() { (accesses_panel(accesses)) }
                }
                (history::timeline(history))
            }
        }
    };
    page(user, Section::Orders, &title, body)
}

fn masked_email(user: &CurrentUser, order: &Order) -> Markup {
    let show = address::with("/order/email", &[("id", order.order_id().as_str())]);
    let masked = email::masked(order.customer().email.as_str());
    html! {
        bdi { (masked) }
        @if user.may_operate() {
            " "
            (form::post(user, &show, &html! {
                button .quiet type="submit" aria-describedby="recorded" { "Show" }
            }))
            div #recorded .hint { "Each access is recorded." }
        }
    }
}

fn items(order: &Order) -> Markup {
    let sum = order.items().sum().ok();
    html! {
        section .panel aria-labelledby="items" {
            h2 #items { "Items" }
            table .cards {
                thead {
                    tr {
                        th scope="col" { "Product" }
                        th scope="col" { "Name" }
                        th .number scope="col" { "Quantity" }
                        th .number scope="col" { "Price" }
                        th .number scope="col" { "Amount" }
                    }
                }
                tbody { @for item in order.items() { (line(item)) } }
                tfoot {
                    @if let Some(sum) = sum.filter(|sum| *sum != order.total()) {
                        tr { th scope="row" colspan="4" { "Subtotal" } td .number { (sum) } }
                    }
                    tr {
                        th scope="row" colspan="4" { "Total" }
                        td .number { strong { (order.total()) } }
                    }
                }
            }
        }
    }
}

fn line(item: &Item) -> Markup {
    html! {
        tr {
            td data-label="Product" { bdi { (item.product_id) } }
            td data-label="Name" { bdi { (item.name) } }
            td .number data-label="Quantity" { (item.quantity.get()) }
            td .number data-label="Price" { (item.price_per_unit) }
            td .number data-label="Amount" {
                @if let Ok(sum) = item.price_per_unit.times(item.quantity.get()) { (sum) }
            }
        }
    }
}

fn customer(order: &Order, email: &Markup) -> Markup {
    let customer = order.customer();
    html! {
        section .panel aria-labelledby="customer" {
            h2 #customer { "Customer" }
            dl .terms {
                dt { "Id" } dd { (address::customer_link(customer.customer_id.as_str())) }
                dt { "Name" } dd { bdi { (customer.name) } }
                dt { "E-mail" } dd { (email) }
            }
            h2 { "Order" }
            dl .terms {
                dt { "Created" } dd { (timestamp(order.created_at())) }
                dt { "Last changed" } dd { (timestamp(order.last_updated())) }
                dt { "Version" } dd { (order.version()) }
            }
        }
    }
}

fn accesses_panel(accesses: &[PiiAccess]) -> Markup {
    html! {
        section .panel aria-labelledby="accesses" {
            h2 #accesses { "E-mail address viewed by" }
            ul { @for access in accesses { li { (timestamp(access.at)) " " bdi { (access.who) } } } }
        }
    }
}
