//! Forms.

use maud::{Markup, html};

use crate::entrypoints::http::console::CurrentUser;

/// The name of the hidden field with the session's CSRF token.
const CSRF: &str = "csrf";

/// A form that changes something, with a CSRF token.
pub fn post(user: &CurrentUser, action: &str, fields: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            (csrf_field(user))
            (fields)
        }
    }
}

/// The CSRF token alone, for a form with its own class or id.
pub fn csrf_field(user: &CurrentUser) -> Markup {
    html! { input type="hidden" name=(CSRF) value=(user.csrf()); }
}
