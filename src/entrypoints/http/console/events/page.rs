//! The page that shows events.

use maud::html;

use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::notice;
use crate::entrypoints::http::console::layout::{Page, Section, page};

pub async fn show(visitor: CurrentUser) -> Page {
    let body = html! {
        div .heading {
            h1 { "Events" }
            span #events-state .badge role="status" hidden { "Connecting" }
            div .actions {
                button #events-pause type="button" aria-pressed="false" hidden { "Pause" }
            }
        }
        noscript {
            (notice::hint(&html! {
                "Events are shown by a script, which this browser does not run. The page of an order "
                "shows its history without one."
            }))
        }
        div .panel {
            p #events-none .empty { "What happens from now on appears here." }
            ol #events .stream data-stream="/events/stream" role="log" aria-live="off" aria-label="Events" {}
        }
    };
    page(&visitor, Section::Events, "Events", body)
}
