//! What is known of a dead letter, beside its body.

use maud::{Markup, html};

use super::body::code;
use super::masking::Addresses;
use crate::entrypoints::dead_letters::readable;
use crate::entrypoints::http::console::components::{address, order_status, timestamp};
use crate::entrypoints::printable::printable;
use crate::service_layer::OrderHistory;
use crate::service_layer::dead_letters::{AuditEntry, DeadLetterRecord, properties_to_json};

/// Why it is here, and where it came from.
pub fn reason(stored: &DeadLetterRecord, has_order: bool, addresses: Addresses) -> Markup {
    let dead_letter = &stored.dead_letter;
    let shown = |text: &str| html! { bdi { (addresses.within(&printable(text))) } };
    let optional = |name: &str, text: Option<&str>| {
        html! { @if let Some(text) = text { dt { (name) } dd { (shown(text)) } } }
    };
    html! {
        section .panel aria-labelledby="reason" {
            h2 #reason { code { (shown(&dead_letter.reason.code)) } }
            p .lead { (shown(&dead_letter.reason.detail)) }
            div .columns {
                dl .terms {
                    (optional("Command", dead_letter.subject.command.as_deref()))
                    @if let Some(order_id) = &dead_letter.subject.order_id {
                        dt { "Order" }
                        dd { @if has_order { (address::order_link(order_id)) } @else { (shown(order_id)) } }
                    }
                    @if let Some(customer_id) = &dead_letter.subject.customer_id {
                        dt { "Customer" } dd { (customer_link(customer_id)) }
                    }
                    (optional("Message id", dead_letter.properties.message_id.as_deref()))
                    (optional("Publisher", dead_letter.properties.app_id.as_deref()))
                    dt { "Sent to" }
                    dd { (shown(&dead_letter.exchange)) " / " (shown(&dead_letter.routing_key)) }
                }
                dl .terms {
                    dt { "First failed" } dd { (timestamp(stored.first_failed_at)) }
                    dt { "Last failed" } dd { (timestamp(dead_letter.failed_at)) }
                    dt { "Failures" } dd { (stored.failures) ", the last after " (dead_letter.attempts) @if dead_letter.attempts == 1 { " attempt" } @else { " attempts" } }
                    dt { "Replays" } dd { (stored.replays) }
                    dt { "Revision" } dd { (stored.revision) }
                    dt { "Last change" } dd { (timestamp(stored.changed_at)) }
                }
            }
        }
    }
}

fn customer_link(customer_id: &str) -> Markup {
    let address = address::with("/orders", &[("customer", customer_id)]);
    html! { a href=(address) { bdi { (customer_id) } } }
}

/// Properties and headers, as they lay in the queue.
pub fn properties(stored: &DeadLetterRecord, addresses: Addresses) -> Markup {
    let text = readable(properties_to_json(&stored.dead_letter.properties).as_bytes());
    html! {
        section .panel aria-labelledby="properties" {
            h2 #properties { "Properties and headers" }
            (code("Properties and headers", &addresses.within(&text), 0))
        }
    }
}

/// Its order, as it is now.
pub fn order(stored: &DeadLetterRecord, order: Option<&OrderHistory>) -> Markup {
    let Some(order_id) = &stored.dead_letter.subject.order_id else { return html! {} };
    html! {
        section .panel aria-labelledby="order" {
            h2 #order { "Its order now" }
            @match order {
                Some(OrderHistory { order, history }) => {
                    p { (address::order_link(order_id)) " " (order_status(order.status())) }
                    ol .timeline reversed {
                        @for entry in history.iter().rev() {
                            li {
                                div { (order_status(entry.status)) " " (timestamp(entry.at)) }
                                p .hint { (entry.cause.command) }
                            }
                        }
                    }
                }
                None => p { "There is no order " bdi { (printable(order_id)) } "." },
            }
        }
    }
}

/// Who did what, the last first.
pub fn record(actions: &[AuditEntry]) -> Markup {
    html! {
        section .panel aria-labelledby="record" {
            h2 #record { "What was done with it" }
            @if actions.is_empty() { p .hint { "Nothing yet." } }
            @else { ol .timeline reversed { @for action in actions.iter().rev() { li { (done(action)) } } } }
        }
    }
}

fn done(action: &AuditEntry) -> Markup {
    let shown = |text: &str| html! { bdi { (Addresses::Masked.within(&printable(text))) } };
    html! {
        div { strong { (action.what.word()) } " by " (shown(&action.who)) " " (timestamp(action.at)) }
        @if let Some(why) = &action.why { p { "“" (shown(why)) "”" } }
        p .hint { (shown(&action.verdict)) }
    }
}
