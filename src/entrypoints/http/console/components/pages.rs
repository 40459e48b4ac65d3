//! From one part of a long list to the next.

use maud::{Markup, html};

/// Links to the first and the next part; nothing for a list of one part.
pub fn pages(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav .pages aria-label="Pages" {
                @if let Some(first) = first { a .button href=(first) rel="first" { "← First" } }
                @if let Some(next) = next { a .button href=(next) rel="next" { "Next →" } }
            }
        }
    }
}
