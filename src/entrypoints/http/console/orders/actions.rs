//! Buttons and forms that change an order's status.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::commands::{intent_field, submit};
use super::parse_order_id;
use crate::domain::{CommandKind, Order, OrderId, Status};
use crate::entrypoints::http::console::components::confirm::{Confirmation, confirmation_page};
use crate::entrypoints::http::console::components::{address, form};
use crate::entrypoints::http::console::layout::Section;
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};

#[derive(Debug, Deserialize)]
pub struct NextStatus {
    order_id: String,
    intent: Uuid,
    /// The status that the page showed.
    from: String,
    /// Set by the confirmation page.
    sure: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct SetStatus {
    order_id: String,
    intent: Uuid,
    status: String,
    /// Set by the confirmation page.
    sure: Option<String>,
}

/// The actions that the status allows; none for a final status.
pub fn buttons(user: &CurrentUser, order: &Order) -> Markup {
    let Some(next) = order.status().next() else { return html! {} };
    let id = order.order_id();
    html! {
        section .panel.toolbar aria-label="Actions" {
            (form::post(user, "/order/next", &html! {
                input type="hidden" name="order_id" value=(id);
                input type="hidden" name="from" value=(order.status().word());
                (intent_field())
                button .primary type="submit" { "Move to " (next) }
            }))
            (form::post(user, "/order/set-status", &html! {
                input type="hidden" name="order_id" value=(id);
                (intent_field())
                label for="status" { "Status" }
                select #status name="status" {
                    @for status in Status::ALL.into_iter().filter(|it| *it != order.status()) {
                        option value=(status.word()) { (status) }
                    }
                }
                button type="submit" { "Set status" }
            }))
            @if order.status() == Status::Received {
                a .button href=(address::with("/order/cancel", &[("id", id.as_str())])) { "Cancel order…" }
            }
        }
    }
}

/// Moves the order to its next status, unless the status has changed since the page was shown. Asks for
/// confirmation if the next status is final.
pub async fn next_status(
    State(app): State<App>,
    Submitted { user, form }: Submitted<NextStatus>,
) -> Result<Response, Problem> {
    let order_id = parse_order_id(&form.order_id)?;
    let next = form.from.parse().ok().and_then(Status::next).filter(|next| next.is_final());
    if let (Some(next), None) = (next, &form.sure) {
        let from = ("from", form.from.as_str());
        return Ok(confirm_final(&user, "/order/next", next, &order_id, form.intent, from));
    }
    let body = json!({"order_id": order_id.as_str(), "from": form.from});
    let command = (CommandKind::SetNextStatus, body);
    let done = submit(&app, &user, &order_id, form.intent, command).await?;
    Ok(done.into_response())
}

/// Sets a status. Asks for confirmation if it is final.
pub async fn set_status(
    State(app): State<App>,
    Submitted { user, form }: Submitted<SetStatus>,
) -> Result<Response, Problem> {
    let order_id = parse_order_id(&form.order_id)?;
    let status = form.status.parse().ok().filter(|status: &Status| status.is_final());
    if let (Some(status), None) = (status, &form.sure) {
        let wanted = ("status", form.status.as_str());
        let action = "/order/set-status";
        return Ok(confirm_final(&user, action, status, &order_id, form.intent, wanted));
    }
    let body = json!({"order_id": order_id.as_str(), "status": form.status});
    let command = (CommandKind::SetStatus, body);
    let done = submit(&app, &user, &order_id, form.intent, command).await?;
    Ok(done.into_response())
}

fn confirm_final(
    user: &CurrentUser,
    action: &str,
    status: Status,
    order_id: &OrderId,
    intent: Uuid,
    field: (&str, &str),
) -> Response {
    let confirmation = Confirmation {
        section: Section::Orders,
        title: &format!("Set order {order_id} to {status}?"),
        consequence: html! {
            p { (status) " is final: the order cannot be changed afterwards." }
        },
        action,
        fields: &[
            ("order_id", order_id.as_str()),
            ("intent", &intent.to_string()),
            field,
            ("sure", "yes"),
        ],
        confirm: &format!("Set to {status}"),
        back: &address::order(order_id.as_str()),
    };
    confirmation_page(user, &confirmation).into_response()
}
