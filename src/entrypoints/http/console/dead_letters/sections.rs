//! The sections of a dead letter's page, except its body.

use maud::{Markup, html};

use super::body::code;
use super::masking::EmailVisibility;
use crate::entrypoints::body_format::readable;
use crate::entrypoints::http::console::components::{address, order_status, timestamp};
use crate::entrypoints::printable::printable;
use crate::service_layer::OrderHistory;
use crate::service_layer::dead_letters::{AuditEntry, DeadLetterRecord, properties_to_json};

/// The reason and the origin.
pub fn reason(record: &DeadLetterRecord, has_order: bool, emails: EmailVisibility) -> Markup {
    let dead_letter = &record.dead_letter;
    let shown = |text: &str| html! { bdi { (emails.apply(&printable(text))) } };
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
                        dt { "Customer" } dd { (address::customer_link(customer_id)) }
                    }
                    (optional("Message id", dead_letter.properties.message_id.as_deref()))
                    (optional("Publisher", dead_letter.properties.app_id.as_deref()))
                    dt { "Published to" }
                    dd { (shown(&dead_letter.exchange)) " / " (shown(&dead_letter.routing_key)) }
                }
                dl .terms {
                    dt { "First failed" } dd { (timestamp(record.first_failed_at)) }
                    dt { "Last failed" } dd { (timestamp(dead_letter.failed_at)) }
                    dt { "Failures" } dd { (record.failures) " (the last after " (dead_letter.attempts) @if dead_letter.attempts == 1 { " attempt)" } @else { " attempts)" } }
                    dt { "Replays" } dd { (record.replays) }
                    dt { "Revision" } dd { (record.revision) }
                    dt { "Last changed" } dd { (timestamp(record.changed_at)) }
                }
            }
        }
    }
}

/// The AMQP properties and headers.
pub fn properties(record: &DeadLetterRecord, emails: EmailVisibility) -> Markup {
    let text = readable(properties_to_json(&record.dead_letter.properties).as_bytes());
    html! {
        section .panel aria-labelledby="properties" {
            h2 #properties { "Properties and headers" }
            (code("Properties and headers", &emails.apply(&text), 0))
        }
    }
}

/// The order of its command, as it is now.
pub fn order(record: &DeadLetterRecord, order: Option<&OrderHistory>) -> Markup {
    let Some(order_id) = &record.dead_letter.subject.order_id else { return html! {} };
    html! {
        section .panel aria-labelledby="order" {
            h2 #order { "Current order" }
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
                None => p { "Order " bdi { (printable(order_id)) } " does not exist." },
            }
        }
    }
}

/// Latest entry first.
pub fn audit_log(entries: &[AuditEntry]) -> Markup {
    html! {
        section .panel aria-labelledby="audit-log" {
            h2 #audit-log { "Audit log" }
            @if entries.is_empty() { p .hint { "No entries" } }
            @else { ol .timeline reversed { @for entry in entries.iter().rev() { li { (audit_entry(entry)) } } } }
        }
    }
}

fn audit_entry(entry: &AuditEntry) -> Markup {
    let shown = |text: &str| html! { bdi { (EmailVisibility::Masked.apply(&printable(text))) } };
    html! {
        div { strong { (entry.what.as_str()) } " by " (shown(&entry.who)) " " (timestamp(entry.at)) }
        @if let Some(why) = &entry.why { p { "“" (shown(why)) "”" } }
        p .hint { (shown(&entry.verdict)) }
    }
}
