//! Reveals a customer's e-mail address, and records who viewed it.

use axum::extract::{Query, State};
use axum::response::Redirect;
use maud::html;
use serde::Deserialize;

use super::detail::{OrderIdQuery, find, page_of};
use crate::entrypoints::http::console::Submitted;
use crate::entrypoints::http::console::components::address;
use crate::entrypoints::http::console::layout::Page;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::PiiAccess;

#[derive(Debug, Deserialize)]
pub struct NoFields {}

/// Records the access, then shows the address on this page only.
pub async fn show(
    State(app): State<App>,
    Query(query): Query<OrderIdQuery>,
    Submitted { user, form: NoFields {} }: Submitted<NoFields>,
) -> Result<Page, Problem> {
    let order_id = query.id()?;
    // Nothing is recorded for an order that does not exist.
    find(&app, &order_id).await?;
    let access = PiiAccess {
        at: app.clock.now(),
        who: user.caller().name.clone(),
        order_id: order_id.clone(),
    };
    app.database()?.pii_access_log().record_access(&access).await?;
    let details = find(&app, &order_id).await?;
    let email = html! { bdi { (details.history.order.customer().email) } };
    Ok(page_of(&user, &details, &email))
}

/// When the URL of that page is opened again.
pub async fn back_to_order(Query(query): Query<OrderIdQuery>) -> Result<Redirect, Problem> {
    Ok(Redirect::to(&address::order(query.id()?.as_str())))
}
