//! The confirmation page of a replay, with its options.

use maud::{Markup, html};

use super::decide::reason_field;
use super::selection::SelectedDeadLetters;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::form;
use crate::entrypoints::http::console::layout::{Page, Section, page};

/// Step sizes and their label; the first is the default.
const PACES: [(&str, &str); 5] = [
    ("1,2,5,20,all", "1, 2, 5, 20, then all"),
    ("1,10,100", "1, 10, then 100 at a time"),
    ("20", "20 at a time"),
    ("1", "1 at a time"),
    ("all", "all at once"),
];

/// Default number of failures after which a replay stops.
const STOP_AFTER_FAILURES: u32 = 3;

/// Default number of replays after which a dead letter is skipped.
pub const MAX_REPLAYS: u32 = 5;

pub fn confirmation(user: &CurrentUser, selected: &SelectedDeadLetters) -> Page {
    let title = format!("Replay {}?", selected.label());
    let is_one = selected.ids.len() == 1;
    let body = html! {
        div .narrow {
            h1 { (title) }
            p .lead {
                "Publishes each message to the commands exchange again, with its message id, so that no command \
                 takes effect twice. A message that fails again is open again."
            }
            (selected.links())
            form .stack method="post" action="/dead-letters/replay/start" {
                (form::csrf_field(user))
                (selected.fields())
                @if !is_one { (pace()) }
                (reason_field("", false))
                (advanced_options(is_one))
                div .actions {
                    button .primary type="submit" { "Replay " (selected.label()) }
                    button type="submit" formaction="/dead-letters/dry-run" formnovalidate { "Dry run" }
                    a .button href=(selected.back) { "Back" }
                }
            }
        }
    };
    page(user, Section::DeadLetters, &title, body)
}

fn pace() -> Markup {
    html! {
        label for="pace" { "Pace (step sizes)" }
        select #pace name="pace" aria-describedby="pace-help" {
            @for (pace, name) in PACES { option value=(pace) { (name) } }
        }
        p #pace-help .hint { "Each step waits for the outcomes of the previous one." }
        label for="stop_after_failures" { "Stop after this many failures" }
        input #stop_after_failures type="number" name="stop_after_failures" min="1"
            inputmode="numeric" value=(STOP_AFTER_FAILURES) placeholder="no limit";
    }
}

fn advanced_options(is_one: bool) -> Markup {
    html! {
        details {
            summary { "Advanced options" }
            div .stack {
                @if !is_one { (custom_pace()) }
                label for="most_replays" { "Skip dead letters already replayed this many times" }
                input #most_replays type="number" name="most_replays" min="1" inputmode="numeric"
                    value=(MAX_REPLAYS);
                label {
                    input type="checkbox" name="force" aria-describedby="force-help";
                    "Include superseded commands"
                }
                p #force-help .hint {
                    "Status changes of orders whose status has changed since, such as to Shipping for an order that is completed."
                }
            }
        }
    }
}

fn custom_pace() -> Markup {
    html! {
        label for="other_pace" { "Custom pace" }
        input #other_pace name="other_pace" placeholder="1,2,5,20,all" autocomplete="off"
            pattern="\\s*([0-9]+\\s*,\\s*)*([0-9]+|all)\\s*" title="Step sizes, such as 1,2,5,20,all";
        label for="rate" { "Maximum messages per second" }
        input #rate type="number" name="rate" min="1" inputmode="numeric" placeholder="no limit";
    }
}
