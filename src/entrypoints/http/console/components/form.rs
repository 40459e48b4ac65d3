//! Forms.

use maud::{Markup, html};

use crate::entrypoints::http::console::CurrentUser;

/// The name of the field that proves that a form is one of the visitor's pages.
const CSRF: &str = "csrf";

/// A form that changes something: its fields and its button, and the proof where it comes from.
pub fn post(visitor: &CurrentUser, action: &str, fields: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            (proof(visitor))
            (fields)
        }
    }
}

/// The proof alone, for a form with a class or an id of its own.
pub fn proof(visitor: &CurrentUser) -> Markup {
    html! { input type="hidden" name=(CSRF) value=(visitor.csrf()); }
}
