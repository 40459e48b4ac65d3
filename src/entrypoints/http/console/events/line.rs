//! An event as a line of the page, without customer data.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::Status;
use crate::entrypoints::http::console::components::{address, order_status, timestamp};

/// The fields of an event that a line shows.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Event {
    OrderStatusChanged {
        order_id: String,
        previous_status: Option<String>,
        status: String,
        changed_at: DateTime<Utc>,
        total: String,
    },
    OrderCommandRejected {
        order_id: String,
        command: String,
        code: String,
        detail: String,
        rejected_at: DateTime<Utc>,
    },
}

/// The line of a message on the events exchange, whether it is an event of this worker or not.
pub fn line(body: &[u8]) -> Markup {
    let Ok(event) = serde_json::from_slice(body) else {
        return html! { li { "Unknown message" } };
    };
    match event {
        Event::OrderStatusChanged { order_id, previous_status, status, changed_at, total } => {
            let what = html! {
                @if let Some(previous) = previous_status {
                    (badge(&previous)) " → " (badge(&status))
                } @else {
                    (badge(&status)) " placed for " (total)
                }
            };
            order_line(changed_at, &order_id, &what)
        }
        Event::OrderCommandRejected { order_id, command, code, detail, rejected_at } => {
            let what = html! {
                span .badge.bad { "Rejected" } " " (command) ": " (detail) " (" code { (code) } ")"
            };
            order_line(rejected_at, &order_id, &what)
        }
    }
}

fn order_line(at: DateTime<Utc>, order_id: &str, what: &Markup) -> Markup {
    html! {
        li { (timestamp(at)) " " span .order { "Order " (address::order_link(order_id)) } " " span { (what) } }
    }
}

fn badge(status: &str) -> Markup {
    status.parse::<Status>().map_or_else(|_| html! { (status) }, order_status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_contains_no_customer_data() {
        let event = r#"{"event_id": "e", "type": "OrderStatusChanged", "order_id": "<b>14</b>",
            "previous_status": "Received", "status": "Processing", "version": 2,
            "changed_at": "2026-11-20T09:30:37.123456Z", "total": "190.00", "items": [],
            "order_customer": {"customer_id": "1", "name": "Grace", "email": "grace@example.com"}}"#;

        let line = line(event.as_bytes()).into_string();

        assert!(line.contains("&lt;b&gt;14&lt;/b&gt;") && line.contains("Processing"), "{line}");
        assert!(!line.contains("Grace") && !line.contains("grace@"), "{line}");
    }

    #[test]
    fn a_rejection_shows_its_command_and_code() {
        let event = r#"{"type": "OrderCommandRejected", "order_id": "14", "command": "CancelOrder",
            "code": "OrderAlreadyCancelled", "detail": "the order is already cancelled",
            "status": "Cancelled", "rejected_at": "2026-11-20T09:30:37.123456Z"}"#;

        let line = line(event.as_bytes()).into_string();

        assert!(line.contains("CancelOrder") && line.contains("OrderAlreadyCancelled"), "{line}");
    }

    #[test]
    fn the_content_of_an_unknown_message_is_not_shown() {
        for body in [&b"\xff\0"[..], b"{}", br#"{"type": "Gossip", "email": "a@example.com"}"#] {
            assert_eq!(line(body).into_string(), "<li>Unknown message</li>");
        }
    }
}
