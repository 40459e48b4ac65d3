//! The page that asks how to replay.

use maud::{Markup, html};

use super::decide::why_field;
use super::selection::Meant;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::form;
use crate::entrypoints::http::console::layout::{Page, Section, page};

/// A pace and what it is called; the first is the one that is chosen.
const PACES: [(&str, &str); 5] = [
    ("1,2,5,20,all", "1, then 2, 5, 20, then all"),
    ("1,10,100", "1, then 10, then 100 each"),
    ("20", "20 each"),
    ("1", "one by one"),
    ("all", "all at once"),
];

/// Failures after which a replay stops, unless somebody wants otherwise.
const STOP_AFTER: u32 = 3;

/// A dead letter with so many replays is left alone, unless the form says otherwise.
pub const MAX_REPLAYS: u32 = 5;

pub fn question(visitor: &CurrentUser, meant: &Meant) -> Page {
    let title = format!("Replay {}?", meant.words());
    let is_one = meant.ids.len() == 1;
    let body = html! {
        div .narrow {
            h1 { (title) }
            p .lead {
                "Published to the commands exchange again, with the same message id: what has taken \
                 effect already does not do so twice. What fails again is open again."
            }
            (meant.listed())
            form .stack method="post" action="/dead-letters/replay/start" {
                (form::proof(visitor))
                (meant.fields())
                @if !is_one { (pace()) }
                (why_field("", false))
                (more(is_one))
                div .actions {
                    button .primary type="submit" { "Replay " (meant.words()) }
                    button type="submit" formaction="/dead-letters/dry-run" formnovalidate { "Dry run" }
                    a .button href=(meant.back) { "Back" }
                }
            }
        }
    };
    page(visitor, Section::DeadLetters, &title, body)
}

fn pace() -> Markup {
    html! {
        label for="pace" { "Pace: the sizes of the steps" }
        select #pace name="pace" aria-describedby="pace-help" {
            @for (pace, name) in PACES { option value=(pace) { (name) } }
        }
        p #pace-help .hint { "Each step waits for the outcomes of the one before." }
        label for="stop_after_failures" { "Stop after the step in which so many have failed" }
        input #stop_after_failures type="number" name="stop_after_failures" min="1"
            inputmode="numeric" value=(STOP_AFTER) placeholder="never";
    }
}

fn more(is_one: bool) -> Markup {
    html! {
        details {
            summary { "More settings" }
            div .stack {
                @if !is_one { (other_pace()) }
                label for="most_replays" { "Leave those alone that were replayed so often" }
                input #most_replays type="number" name="most_replays" min="1" inputmode="numeric"
                    value=(MAX_REPLAYS);
                label {
                    input type="checkbox" name="force" aria-describedby="force-help";
                    "Also those that are superseded"
                }
                p #force-help .hint {
                    "Moves of orders that have moved on since, such as to Shipping where the order is completed by now."
                }
            }
        }
    }
}

fn other_pace() -> Markup {
    html! {
        label for="other_pace" { "Another pace" }
        input #other_pace name="other_pace" placeholder="1,2,5,20,all" autocomplete="off"
            pattern="\\s*([0-9]+\\s*,\\s*)*([0-9]+|all)\\s*" title="numbers, and at the end perhaps all";
        label for="rate" { "Most messages in a second" }
        input #rate type="number" name="rate" min="1" inputmode="numeric" placeholder="no limit";
    }
}
