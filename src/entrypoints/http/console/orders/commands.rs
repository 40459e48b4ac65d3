//! Commands from the console: messages like any other.

use axum::response::Redirect;
use maud::{Markup, html};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{CommandKind, OrderId};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{address, notice::Flash};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::decode;
use crate::service_layer::{
    DeadLetterCode, DeadLetterReason, Envelope, Message, Outcome, Properties,
};

/// With this, the name of an operator and the intent of a form, message ids from here are made.
pub const FROM_CONSOLE: &str = "console-";

/// A field that names the form: submitted twice, it is done once.
pub fn intent_field() -> Markup {
    html! { input type="hidden" name="intent" value=(Uuid::now_v7()); }
}

/// Has a command carried out, and leads to the order, which tells what became of it.
///
/// # Errors
/// When there is no such order, or nobody knows (yet) what became of the command.
pub async fn carry_out(
    app: &App,
    visitor: &CurrentUser,
    order_id: &OrderId,
    intent: Uuid,
    command: (CommandKind, Value),
) -> Result<Redirect, Problem> {
    let flash = match message(visitor, intent, command) {
        Ok(message) => told(app.requests.handle(message).await?)?,
        Err(dead) => refused(&dead),
    };
    visitor.set_flash(flash);
    Ok(Redirect::to(&address::order(order_id.as_str())))
}

fn message(
    visitor: &CurrentUser,
    intent: Uuid,
    (kind, body): (CommandKind, Value),
) -> Result<Message, DeadLetterReason> {
    let properties = Properties {
        kind: Some(kind.name().to_owned()),
        message_id: Some(format!("{FROM_CONSOLE}{}-{intent}", visitor.caller().name)),
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

fn told(outcome: Outcome) -> Result<Flash, Problem> {
    Ok(match outcome {
        Outcome::Accepted(state) => Flash::Done(html! { "The order is now " (state.status) "." }),
        Outcome::Duplicate(state) => Flash::Done(html! {
            "This was done before."
            @if let Some(state) = state { " The order is " (state.status) "." }
        }),
        Outcome::Rejected(_, refusal) => Flash::Refused(html! {
            "Not done: " (refusal) " (" code { (refusal.code()) } ")."
        }),
        Outcome::RetryLater(_) => return Err(Problem::not_found("there is no such order")),
        Outcome::DeadLetter(dead) => refused(&dead),
    })
}

fn refused(dead: &DeadLetterReason) -> Flash {
    Flash::Refused(if dead.code == DeadLetterCode::MessageIdReused {
        html! { "Not done: that page had been used before. This is the order as it is now." }
    } else {
        html! { "Not done: " (dead.detail) " (" code { (dead.code.as_str()) } ")." }
    })
}
