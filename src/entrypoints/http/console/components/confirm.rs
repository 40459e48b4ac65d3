//! A page that asks before something is done that is hard to undo.

use maud::{Markup, html};

use super::form;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::layout::{Page, Section, page};

/// A question, and what follows from a yes.
#[derive(Debug)]
pub struct Question<'a> {
    pub section: Section,
    pub title: &'a str,
    /// What will happen.
    pub consequence: Markup,
    /// Where the yes is sent.
    pub action: &'a str,
    /// Hidden fields that go with it.
    pub fields: &'a [(&'a str, &'a str)],
    /// On the button: a verb.
    pub yes: &'a str,
    /// Where a no leads.
    pub back: &'a str,
}

/// The page of a question.
pub fn ask(visitor: &CurrentUser, question: &Question) -> Page {
    let body = html! {
        div .narrow {
            h1 { (question.title) }
            div .lead { (question.consequence) }
            (form::post(visitor, question.action, &html! {
                @for (name, value) in question.fields {
                    input type="hidden" name=(name) value=(value);
                }
                div .actions {
                    button .danger type="submit" { (question.yes) }
                    a .button href=(question.back) { "Back" }
                }
            }))
        }
    };
    page(visitor, question.section, question.title, body)
}
