//! Confirmation pages.

use maud::{Markup, html};

use super::form;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::layout::{Page, Section, page};

#[derive(Debug)]
pub struct Confirmation<'a> {
    pub section: Section,
    pub title: &'a str,
    /// What will happen.
    pub consequence: Markup,
    /// The path that the form is submitted to.
    pub action: &'a str,
    /// Hidden fields of the form.
    pub fields: &'a [(&'a str, &'a str)],
    /// The label of the button: a verb.
    pub confirm: &'a str,
    /// The path of the link *Back*.
    pub back: &'a str,
}

pub fn confirmation_page(user: &CurrentUser, confirmation: &Confirmation) -> Page {
    let body = html! {
        div .narrow {
            h1 { (confirmation.title) }
            div .lead { (confirmation.consequence) }
            (form::post(user, confirmation.action, &html! {
                @for (name, value) in confirmation.fields {
                    input type="hidden" name=(name) value=(value);
                }
                div .actions {
                    button .danger type="submit" { (confirmation.confirm) }
                    a .button href=(confirmation.back) { "Back" }
                }
            }))
        }
    };
    page(user, confirmation.section, confirmation.title, body)
}
