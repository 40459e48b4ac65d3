//! Cancelling an order.

use axum::extract::{Query, State};
use axum::response::Redirect;
use maud::html;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::commands::{intent_field, submit};
use super::detail::{OrderIdQuery, find};
use super::parse_order_id;
use crate::domain::{CommandKind, Reason};
use crate::entrypoints::http::console::components::{address, form};
use crate::entrypoints::http::console::layout::{Page, Section, page};
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};

#[derive(Debug, Deserialize)]
pub struct Cancel {
    order_id: String,
    intent: Uuid,
    #[serde(default)]
    reason: String,
}

/// The confirmation page, with a field for the reason.
pub async fn ask(
    user: CurrentUser,
    State(app): State<App>,
    Query(query): Query<OrderIdQuery>,
) -> Result<Page, Problem> {
    let order = find(&app, &query.id()?).await?.history.order;
    let title = format!("Cancel order {}?", order.order_id());
    let body = html! {
        div .narrow {
            h1 { "Cancel order " bdi { (order.order_id()) } "?" }
            p .lead { "Cancelled is final: the order cannot be changed afterwards." }
            @if user.may_operate() {
                form .stack method="post" action="/order/cancel" {
                    (form::csrf_field(&user))
                    (intent_field())
                    input type="hidden" name="order_id" value=(order.order_id());
                    label for="reason" { "Reason" }
                    input #reason name="reason" maxlength=(Reason::MAX_CHARS) autocomplete="off"
                        aria-describedby="reason-help";
                    p #reason-help .hint { "Recorded in the order's history. Optional." }
                    div .actions {
                        button .danger type="submit" { "Cancel order" }
                        a .button href=(address::order(order.order_id().as_str())) { "Back" }
                    }
                }
            }
        }
    };
    Ok(page(&user, Section::Orders, &title, body))
}

pub async fn cancel(
    State(app): State<App>,
    Submitted { user, form }: Submitted<Cancel>,
) -> Result<Redirect, Problem> {
    let order_id = parse_order_id(&form.order_id)?;
    let reason = Some(form.reason.trim()).filter(|reason| !reason.is_empty());
    let body = json!({"order_id": order_id.as_str(), "reason": reason});
    let command = (CommandKind::CancelOrder, body);
    submit(&app, &user, &order_id, form.intent, command).await
}
