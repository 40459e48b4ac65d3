//! What people must not overlook.

use maud::{Markup, html};

pub use crate::entrypoints::http::console::sessions::Flash;

/// Something is wrong.
pub fn trouble(what: &Markup) -> Markup {
    html! { div .notice.trouble role="alert" { p { (what) } } }
}

/// Something to know.
pub fn hint(what: &Markup) -> Markup {
    html! { div .notice.hint { p { (what) } } }
}

/// What became of what they did last.
pub fn flash(flash: &Flash) -> Markup {
    match flash {
        Flash::Done(what) => html! { div .notice.done role="status" { p { (what) } } },
        Flash::Refused(why) => trouble(why),
    }
}
