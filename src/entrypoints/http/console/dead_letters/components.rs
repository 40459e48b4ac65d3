//! What several pages of dead letters show.

use maud::{Markup, html};

use super::masking::Addresses;
use crate::entrypoints::printable::printable;
use crate::service_layer::dead_letters::DeadLetterState;

/// What can be done with dead letters of a state.
pub fn buttons(state: Option<DeadLetterState>, which: Option<&str>) -> Markup {
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

/// A code and its detail.
pub fn why(code: &str, detail: &str) -> Markup {
    html! {
        div {
            code { bdi { (printable(code)) } }
            div { bdi { (Addresses::Masked.within(&printable(detail))) } }
        }
    }
}

/// A text of strangers; nothing for none.
pub fn text(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { bdi { (Addresses::Masked.within(&printable(text))) } } }
}
