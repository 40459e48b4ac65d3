//! Building blocks of the pages of dead letters.

use maud::{Markup, html};

use super::masking::EmailVisibility;
use crate::entrypoints::printable::printable;
use crate::service_layer::dead_letters::DeadLetterState;

/// Buttons for the actions that a state allows; `None` stands for any state.
pub fn action_buttons(state: Option<DeadLetterState>, which: Option<&str>) -> Markup {
    use DeadLetterState::{Discarded, Open, Replayed, Replaying};
    let button = |path: &str, name: &str| {
        html! {
            button .quiet type="submit" formaction={ "/dead-letters/" (path) }
                name=[which.map(|_| "which")] value=[which] { (name) }
        }
    };
    let any_of = |states: &[DeadLetterState]| state.is_none_or(|state| states.contains(&state));
    html! {
        @if any_of(&[Open, Replaying]) { (button("replay", "Replay…")) (button("dry-run", "Dry run")) }
        @if any_of(&[Open]) { (button("discard", "Discard…")) }
        @if any_of(&[Replayed, Discarded]) { (button("restore", "Restore…")) }
    }
}

/// A code with its detail.
pub fn reason(code: &str, detail: &str) -> Markup {
    html! {
        div {
            code { bdi { (printable(code)) } }
            div { bdi { (EmailVisibility::Masked.apply(&printable(detail))) } }
        }
    }
}

/// Untrusted text, with masked e-mail addresses; nothing for `None`.
pub fn untrusted_text(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { bdi { (EmailVisibility::Masked.apply(&printable(text))) } } }
}
