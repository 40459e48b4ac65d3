//! The moves that an order's status allows.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::commands::{carry_out, intent_field};
use super::order_id::order_id;
use crate::domain::{CommandKind, Order, OrderId, Status};
use crate::entrypoints::http::console::components::confirm::{Question, ask};
use crate::entrypoints::http::console::components::{address, form};
use crate::entrypoints::http::console::layout::Section;
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};

#[derive(Debug, Deserialize)]
pub struct NextStatus {
    order_id: String,
    intent: Uuid,
    /// The status in which the operator saw the order.
    from: String,
    sure: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct SetStatus {
    order_id: String,
    intent: Uuid,
    status: String,
    /// There once the operator has been asked.
    sure: Option<String>,
}

/// Buttons for what the status allows; nothing for a final one.
pub fn buttons(visitor: &CurrentUser, order: &Order) -> Markup {
    let Some(next) = order.status().next() else { return html! {} };
    let id = order.order_id();
    html! {
        section .panel.moves aria-label="Moves" {
            (form::post(visitor, "/order/next", &html! {
                input type="hidden" name="order_id" value=(id);
                input type="hidden" name="from" value=(order.status().word());
                (intent_field())
                button .primary type="submit" { "Move to " (next) }
            }))
            (form::post(visitor, "/order/set-status", &html! {
                input type="hidden" name="order_id" value=(id);
                (intent_field())
                label for="status" { "or correct it to" }
                select #status name="status" {
                    @for status in Status::ALL.into_iter().filter(|it| *it != order.status()) {
                        option value=(status.word()) { (status) }
                    }
                }
                button type="submit" { "Set status" }
            }))
            @if order.status() == Status::Received {
                a .button href=(address::with("/order/cancel", &[("id", id.as_str())])) { "Cancel the order…" }
            }
        }
    }
}

/// Moves the order on, unless somebody else did so meanwhile. Asks first when nothing could change
/// it afterwards.
pub async fn next_status(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<NextStatus>,
) -> Result<Response, Problem> {
    let order_id = order_id(&form.order_id)?;
    let next = form.from.parse().ok().and_then(Status::next).filter(|next| next.is_final());
    if let (Some(next), None) = (next, &form.sure) {
        let from = ("from", form.from.as_str());
        return Ok(are_you_sure(&visitor, "/order/next", next, &order_id, form.intent, from));
    }
    let body = json!({"order_id": order_id.as_str(), "from": form.from});
    let command = (CommandKind::SetNextStatus, body);
    let done = carry_out(&app, &visitor, &order_id, form.intent, command).await?;
    Ok(done.into_response())
}

/// Sets a status; asks first as well.
pub async fn set_status(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<SetStatus>,
) -> Result<Response, Problem> {
    let order_id = order_id(&form.order_id)?;
    let status = form.status.parse().ok().filter(|status: &Status| status.is_final());
    if let (Some(status), None) = (status, &form.sure) {
        let wanted = ("status", form.status.as_str());
        let action = "/order/set-status";
        return Ok(are_you_sure(&visitor, action, status, &order_id, form.intent, wanted));
    }
    let body = json!({"order_id": order_id.as_str(), "status": form.status});
    let command = (CommandKind::SetStatus, body);
    let done = carry_out(&app, &visitor, &order_id, form.intent, command).await?;
    Ok(done.into_response())
}

fn are_you_sure(
    visitor: &CurrentUser,
    action: &str,
    status: Status,
    order_id: &OrderId,
    intent: Uuid,
    field: (&str, &str),
) -> Response {
    let question = Question {
        section: Section::Orders,
        title: &format!("Set order {order_id} to {status}?"),
        consequence: html! {
            p { (status) " is final: nothing can change the order afterwards." }
        },
        action,
        fields: &[
            ("order_id", order_id.as_str()),
            ("intent", &intent.to_string()),
            field,
            ("sure", "yes"),
        ],
        yes: &format!("Set to {status}"),
        back: &address::order(order_id.as_str()),
    };
    ask(visitor, &question).into_response()
}
