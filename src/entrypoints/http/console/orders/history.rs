//! What happened to an order, and what caused it.

use maud::{Markup, html};

use crate::entrypoints::http::console::pieces::{moment, order_status};
use crate::service_layer::{Cause, HistoryEntry};

/// The latest change first.
pub fn timeline(history: &[HistoryEntry]) -> Markup {
    html! {
        section .panel aria-labelledby="history" {
            h2 #history { "History" }
            ol .timeline reversed {
                @for entry in history.iter().rev() { li { (change(entry)) } }
            }
        }
    }
}

fn change(entry: &HistoryEntry) -> Markup {
    let Cause { command, message_id, reason } = &entry.cause;
    html! {
        div { (order_status(entry.status)) " " (moment(entry.at)) }
        @if let Some(reason) = reason { p { "“" bdi { (reason) } "”" } }
        p .hint {
            (command)
            @match message_id {
                Some(message_id) => { " by message " code { (message_id) } }
                None => { " without a message id" }
            }
        }
    }
}
