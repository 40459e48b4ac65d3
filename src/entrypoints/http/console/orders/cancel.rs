//! Cancelling an order, with a reason.

use axum::extract::{Query, State};
use axum::response::Redirect;
use maud::html;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::commands::{carry_out, intent_field};
use super::detail::{Which, find};
use super::order_id::order_id;
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

/// Asks for the reason.
pub async fn ask(
    visitor: CurrentUser,
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Page, Problem> {
    let order = find(&app, &which.id()?).await?.found.order;
    let title = format!("Cancel order {}?", order.order_id());
    let body = html! {
        div .narrow {
            h1 { "Cancel order " bdi { (order.order_id()) } "?" }
            p .lead { "Cancelled is final: nothing can change the order afterwards." }
            @if visitor.may_operate() {
                form .stack method="post" action="/order/cancel" {
                    (form::proof(&visitor))
                    (intent_field())
                    input type="hidden" name="order_id" value=(order.order_id());
                    label for="reason" { "Reason" }
                    input #reason name="reason" maxlength=(Reason::MAX_CHARS) autocomplete="off"
                        aria-describedby="reason-help";
                    p #reason-help .hint { "Goes into the order's history. May be empty." }
                    div .actions {
                        button .danger type="submit" { "Cancel the order" }
                        a .button href=(address::order(order.order_id().as_str())) { "Back" }
                    }
                }
            }
        }
    };
    Ok(page(&visitor, Section::Orders, &title, body))
}

pub async fn cancel(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<Cancel>,
) -> Result<Redirect, Problem> {
    let order_id = order_id(&form.order_id)?;
    let reason = Some(form.reason.trim()).filter(|reason| !reason.is_empty());
    let body = json!({"order_id": order_id.as_str(), "reason": reason});
    let command = (CommandKind::CancelOrder, body);
    carry_out(&app, &visitor, &order_id, form.intent, command).await
}
