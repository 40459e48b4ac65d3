//! A customer's e-mail address, for whoever leaves their name.

use axum::extract::{Query, State};
use axum::response::Redirect;
use maud::html;
use serde::Deserialize;

use super::detail::{Which, find, page_of};
use crate::adapters::clock::SystemClock;
use crate::entrypoints::http::console::Submitted;
use crate::entrypoints::http::console::components::address;
use crate::entrypoints::http::console::layout::Page;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{Clock, PiiAccess};

#[derive(Debug, Deserialize)]
pub struct Nothing {}

/// Records who asks, then shows the address on this one page.
pub async fn show(
    State(app): State<App>,
    Query(which): Query<Which>,
    Submitted { visitor, form: Nothing {} }: Submitted<Nothing>,
) -> Result<Page, Problem> {
    let order_id = which.id()?;
    // There must be such an order before anybody is said to have seen it.
    find(&app, &order_id).await?;
    let disclosure = PiiAccess {
        at: SystemClock.now(),
        who: visitor.caller().name.clone(),
        order_id: order_id.clone(),
    };
    app.database()?.pii_access_log().record_access(&disclosure).await?;
    let shown = find(&app, &order_id).await?;
    let email = html! { bdi { (shown.found.order.customer().email) } };
    Ok(page_of(&visitor, &shown, &email))
}

/// For whoever comes back to the address of that page.
pub async fn look_away(Query(which): Query<Which>) -> Result<Redirect, Problem> {
    Ok(Redirect::to(&address::order(which.id()?.as_str())))
}
