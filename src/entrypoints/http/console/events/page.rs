//! The page of live events, which `console.js` fills.

use maud::html;

use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::notice;
use crate::entrypoints::http::console::layout::{Page, Section, page};

pub async fn show(user: CurrentUser) -> Page {
    let body = html! {
        div .heading {
            h1 { "Events" }
            span #events-state .badge role="status" hidden { "Connecting" }
            div .actions {
                button #events-pause type="button" aria-pressed="false" hidden { "Pause" }
            }
        }
        noscript {
            (notice::info(&html! {
                "Live events require JavaScript. Without it, see the history on an order's page."
            }))
        }
        div .panel {
            p #events-none .empty { "Waiting for events" }
            ol #events .stream data-stream="/events/stream" role="log" aria-live="off" aria-label="Events" {}
        }
    };
    page(&user, Section::Events, "Events", body)
}
