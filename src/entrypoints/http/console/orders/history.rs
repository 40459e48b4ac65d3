//! An order's history: each change and its cause.

use maud::{Markup, html};
use uuid::Uuid;

use super::commands::MESSAGE_ID_PREFIX;
use crate::entrypoints::http::auth::is_name;
use crate::entrypoints::http::console::components::{order_status, timestamp};
use crate::service_layer::{Cause, HistoryEntry};

/// Latest change first.
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
        div { (order_status(entry.status)) " " (timestamp(entry.at)) }
        @if let Some(reason) = reason { p { "“" bdi { (reason) } "”" } }
        p .hint { (command) (cause(message_id.as_deref())) }
    }
}

fn cause(message_id: Option<&str>) -> Markup {
    let Some(message_id) = message_id else { return html! { " without a message id" } };
    html! {
        @if let Some(operator) = operator(message_id) { " by " strong { (operator) } " in the console:" }
        @else { " by" }
        " message " code { (message_id) }
    }
}

/// The operator who sent a message from the console. Other publishers of commands are trusted not to
/// use such ids.
fn operator(message_id: &str) -> Option<&str> {
    let rest = message_id.strip_prefix(MESSAGE_ID_PREFIX)?;
    let (name, intent) =
        rest.split_at_checked(rest.len().checked_sub(uuid::fmt::Hyphenated::LENGTH)?)?;
    let name = name.strip_suffix('-')?;
    (is_name(name) && intent.parse::<Uuid>().is_ok()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_from_the_console_names_its_operator() {
        let id = "019aa2c4-6f1e-7b52-9d0e-3c5a8f7e2b41";
        assert_eq!(operator(&format!("console-ada-{id}")), Some("ada"));
        assert_eq!(operator(&format!("console-on-call-{id}")), Some("on-call"));
        for other in
            [&format!("console-{id}"), &format!("console-a b-{id}"), id, "console-ada-7", ""]
        {
            assert_eq!(operator(other), None, "{other}");
        }
    }
}
