//! Submits commands of the console through the command client.

use axum::response::Redirect;
use maud::{Markup, html};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{CommandKind, OrderId};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{address, notice::Flash};
use crate::entrypoints::http::{App, Problem};
use crate::messages::{DeadLetterCode, DeadLetterReason, Envelope, Message, Outcome, Properties};
use crate::service_layer::decode;

/// Message ids of the console: this prefix, the name of the operator, `-`, the intent of the form.
pub const MESSAGE_ID_PREFIX: &str = "console-";

/// A field that identifies the form, so that submitting it twice has one effect.
pub fn intent_field() -> Markup {
    html! { input type="hidden" name="intent" value=(Uuid::now_v7()); }
}

/// Submits a command, and redirects to the order's page, which shows the outcome.
///
/// # Errors
/// When the order does not exist, or the outcome is not known in time.
pub async fn submit(
    app: &App,
    user: &CurrentUser,
    order_id: &OrderId,
    intent: Uuid,
    command: (CommandKind, Value),
) -> Result<Redirect, Problem> {
    let flash = match message(user, intent, command) {
        Ok(message) => outcome_flash(app.requests.handle(message).await?)?,
        Err(reason) => failed(&reason),
    };
    user.set_flash(flash);
    Ok(Redirect::to(&address::order(order_id.as_str())))
}

fn message(
    user: &CurrentUser,
    intent: Uuid,
    (kind, body): (CommandKind, Value),
) -> Result<Message, DeadLetterReason> {
    let properties = Properties {
        kind: Some(kind.name().to_owned()),
        message_id: Some(format!("{MESSAGE_ID_PREFIX}{}-{intent}", user.caller().name)),
        ..Properties::default()
    };
    let envelope = Envelope {
        routing_key: format!("order.{}", kind.word()),
        properties,
        body: body.to_string().into_bytes(),
        ..Envelope::default()
    };
    decode::decode(&envelope).result
}

fn outcome_flash(outcome: Outcome) -> Result<Flash, Problem> {
    Ok(match outcome {
        Outcome::Accepted(state) => Flash::Done(html! { "The order is now " (state.status) "." }),
        Outcome::Duplicate(state) => Flash::Done(html! {
            "Already applied."
            @if let Some(state) = state { " The order is " (state.status) "." }
        }),
        Outcome::Rejected(_, rejection) => Flash::Refused(html! {
            "Rejected: " (rejection) " (" code { (rejection.code()) } ")."
        }),
        Outcome::RetryLater(_) => return Err(Problem::not_found("order not found")),
        Outcome::DeadLetter(reason) => failed(&reason),
    })
}

fn failed(reason: &DeadLetterReason) -> Flash {
    Flash::Refused(if reason.code == DeadLetterCode::MessageIdReused {
        html! { "Not applied: this form was already submitted with other values. This page shows the current order." }
    } else {
        html! { "Failed: " (reason.detail) " (" code { (reason.code.as_str()) } ")." }
    })
}
