//! Building blocks of pages.
//!
//! A table is plain markup: with `table .cards` and `data-label="Total"` on each `td`, it becomes a list
//! of cards on a phone; `.number` aligns to the right. A definition list is a `dl .terms`, scrolling
//! code a `pre .code`, a framed part of a page a `section .panel`.

pub mod address;
pub mod confirm;
pub mod email;
pub mod form;
pub mod notice;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

use crate::domain::Status;
use crate::service_layer::dead_letters::DeadLetterState;

/// A badge with an order's status.
pub fn order_status(status: Status) -> Markup {
    html! { span class={ "badge status-" (status.word()) } { (status.name()) } }
}

/// A badge with a dead letter's state.
pub fn dead_letter_state(state: DeadLetterState) -> Markup {
    html! { span class={ "badge dead-letter-" (state.as_str()) } { (state.as_str()) } }
}

/// A time to the second, with microseconds in its tooltip.
pub fn timestamp(at: DateTime<Utc>) -> Markup {
    let exact = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    html! { time datetime=(exact) title=(exact) { (at.format("%Y-%m-%d %H:%M:%S")) } }
}

/// Links to the first and the next page of a list; nothing for a list of one page.
pub fn pagination(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav .pages aria-label="Pages" {
                @if let Some(first) = first { a .button href=(first) rel="first" { "← First" } }
                @if let Some(next) = next { a .button href=(next) rel="next" { "Next →" } }
            }
        }
    }
}
