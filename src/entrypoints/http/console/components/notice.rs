//! Notices at the top of a page.

use maud::{Markup, html};

pub use crate::entrypoints::http::console::sessions::Flash;

pub fn error(what: &Markup) -> Markup {
    html! { div .notice.error role="alert" { p { (what) } } }
}

pub fn info(what: &Markup) -> Markup {
    html! { div .notice.info { p { (what) } } }
}

/// The result of the last action.
pub fn flash(flash: &Flash) -> Markup {
    match flash {
        Flash::Done(what) => html! { div .notice.success role="status" { p { (what) } } },
        Flash::Refused(why) => error(why),
    }
}
