//! Words in colours.

use maud::{Markup, html};

use crate::domain::Status;
use crate::service_layer::dead_letters::DeadLetterState;

/// An order's status.
pub fn order_status(status: Status) -> Markup {
    html! { span class={ "badge status-" (status.word()) } { (status.name()) } }
}

/// A dead letter's state.
pub fn dead_letter_state(state: DeadLetterState) -> Markup {
    html! { span class={ "badge letter-" (state.word()) } { (state.word()) } }
}
