//! The page of an order.

use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use super::list::customer_link;
use super::order_id::order_id;
use super::{actions, history};
use crate::domain::{Item, Order, OrderId};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{
    address, email, form, order_status, timestamp,
};
use crate::entrypoints::http::console::layout::{self, Section, page};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{OrderHistory, PiiAccess};

/// Most disclosures that are shown.
const DISCLOSURES_SHOWN: u32 = 20;

/// Seconds between two looks at an order that is shown.
const REFRESH_SECONDS: u32 = 5;

#[derive(Debug, Deserialize)]
pub struct Which {
    id: String,
}

/// All that a page tells of an order.
#[derive(Debug)]
pub struct Shown {
    pub found: OrderHistory,
    pub disclosures: Vec<PiiAccess>,
}

pub async fn show(
    visitor: CurrentUser,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<layout::Page, Problem> {
    let shown = find(&app, &which.id()?).await?;
    Ok(page_of(&visitor, &shown, &masked_email(&visitor, &shown.found.order)))
}

impl Which {
    /// # Errors
    /// When no order can have this id.
    pub fn id(&self) -> Result<OrderId, Problem> {
        order_id(&self.id)
    }
}

/// # Errors
/// When there is no such order, or the database does not answer.
pub async fn find(app: &App, order_id: &OrderId) -> Result<Shown, Problem> {
    let database = app.database()?;
    let found = database.orders().order(order_id).await?;
    let found = found.ok_or_else(|| Problem::not_found("there is no such order"))?;
    let disclosures = database.pii_access_log().accesses(order_id, DISCLOSURES_SHOWN).await?;
    Ok(Shown { found, disclosures })
}

/// The page, with an e-mail address as the visitor may see it.
pub fn page_of(visitor: &CurrentUser, shown: &Shown, email: &Markup) -> layout::Page {
    let Shown { found: OrderHistory { order, history }, disclosures } = shown;
    let title = format!("Order {}", order.order_id());
    let body = html! {
        div #order data-refresh=(REFRESH_SECONDS) data-refresh-from=(address::order(order.order_id().as_str())) {
            div .heading {
                h1 { "Order " bdi { (order.order_id()) } }
                (order_status(order.status()))
            }
            @if visitor.may_operate() { (actions::buttons(visitor, order)) }
            (items(order))
            div .columns {
                div {
                    (customer(order, email))
                    @if visitor.may_operate() && !disclosures.is_empty() { (disclosed(disclosures)) }
                }
                (history::timeline(history))
            }
        }
    };
    page(visitor, Section::Orders, &title, body)
}

fn masked_email(visitor: &CurrentUser, order: &Order) -> Markup {
    let show = address::with("/order/email", &[("id", order.order_id().as_str())]);
    let masked = email::masked(order.customer().email.as_str());
    html! {
        bdi { (masked) }
        @if visitor.may_operate() {
            " "
            (form::post(visitor, &show, &html! {
                button .quiet type="submit" aria-describedby="recorded" { "Show" }
            }))
            div #recorded .hint { "Who looks is recorded." }
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
                        th .number scope="col" { "Sum" }
                    }
                }
                tbody { @for item in order.items() { (line(item)) } }
                tfoot {
                    @if let Some(sum) = sum.filter(|sum| *sum != order.total()) {
                        tr { th scope="row" colspan="4" { "Sum of the items" } td .number { (sum) } }
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
            td .number data-label="Sum" {
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
                dt { "Id" } dd { (customer_link(customer.customer_id.as_str())) }
                dt { "Name" } dd { bdi { (customer.name) } }
                dt { "E-mail" } dd { (email) }
            }
            h2 { "Order" }
            dl .terms {
                dt { "Created" } dd { (timestamp(order.created_at())) }
                dt { "Last change" } dd { (timestamp(order.last_updated())) }
                dt { "Version" } dd { (order.version()) }
            }
        }
    }
}

fn disclosed(disclosures: &[PiiAccess]) -> Markup {
    let one = |who: &str, at: DateTime<Utc>| html! { li { (timestamp(at)) " " bdi { (who) } } };
    html! {
        section .panel aria-labelledby="disclosures" {
            h2 #disclosures { "Who saw the e-mail address" }
            ul { @for it in disclosures { (one(&it.who, it.at)) } }
        }
    }
}
