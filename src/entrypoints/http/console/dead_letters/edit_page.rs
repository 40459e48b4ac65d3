//! The page on which a body is edited.

use maud::{Markup, html};

use super::decide::why_field;
use super::fields::Fields;
use crate::entrypoints::dead_letters::indented;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{dead_letter_state, form, notice};
use crate::entrypoints::http::console::layout::{Page, Section, page};
use crate::service_layer::dead_letters::{DeadLetterRecord, DeadLetterState};

/// What somebody has written, before it is kept.
#[derive(Debug)]
pub struct Draft {
    pub text: String,
    pub why: String,
    /// Ask whether to keep it although it would still fail.
    pub can_fail: bool,
}

impl Draft {
    pub fn of(form: &Fields) -> Self {
        // Browsers send texts with the line ends of 1994.
        let text = form.text("body").replace("\r\n", "\n");
        Self { text, why: form.text("why").to_owned(), can_fail: false }
    }

    /// The bytes, with the line ends of the present body.
    pub fn body(&self, stored: &DeadLetterRecord) -> Vec<u8> {
        let has_crlf = stored.dead_letter.body.windows(2).any(|pair| pair == b"\r\n");
        let text = if has_crlf { self.text.replace('\n', "\r\n") } else { self.text.clone() };
        text.into_bytes()
    }

    /// The page, with what came of the last try.
    pub fn page(&self, visitor: &CurrentUser, stored: &DeadLetterRecord, notices: &Markup) -> Page {
        let title = format!("Edit dead letter {}", stored.id);
        let path = format!("/dead-letters/{}", stored.id);
        let body = html! {
            div .heading { h1 { (title) } (dead_letter_state(stored.state)) }
            (notices)
            @if !is_exact(stored) { (notice::hint(&html! { (INEXACT) })) }
            form .panel.stack method="post" action={ (path) "/check" } {
                (form::proof(visitor))
                input type="hidden" name="revision" value=(stored.revision);
                label for="text" { "Body, revision " (stored.revision) }
                // Browsers leave out a first line break.
                textarea #text name="body" rows=(self.rows()) spellcheck="false" autocapitalize="off" { "\n" (self.text) }
                div .actions { button type="submit" { "Check" } }
                @if stored.state == DeadLetterState::Open { (self.saving(&path)) }
                div .actions { a .button href=(path) { "Back without saving" } }
            }
        };
        page(visitor, Section::DeadLetters, &title, body)
    }

    /// As many as there are lines, and some more to write in.
    fn rows(&self) -> usize {
        (self.text.lines().count() + 2).clamp(8, 30)
    }

    fn saving(&self, path: &str) -> Markup {
        html! {
            (why_field(&self.why, false))
            @if self.can_fail {
                label { input type="checkbox" name="anyway"; "Save it although it would still fail" }
            }
            div .actions { button .primary type="submit" formaction={ (path) "/save" } { "Save" } }
        }
    }
}

const INEXACT: &str = "The body holds bytes that a page cannot: they are replaced in the text \
    below. With order-worker dead-letters edit --body, any bytes can be given.";

/// The present body as it is edited: JSON of one line is indented.
pub fn text_of(stored: &DeadLetterRecord) -> String {
    let body = &stored.dead_letter.body;
    let is_one_line = !body.trim_ascii().contains(&b'\n');
    let indented = Some(body).filter(|_| is_one_line).and_then(|body| indented(body));
    indented.unwrap_or_else(|| String::from_utf8_lossy(body).replace("\r\n", "\n"))
}

/// Whether nobody has changed anything.
pub fn same(stored: &DeadLetterRecord, body: &[u8]) -> bool {
    stored.dead_letter.body == body || is_exact(stored) && text_of(stored).as_bytes() == body
}

/// Whether a page gives a body back as it was.
fn is_exact(stored: &DeadLetterRecord) -> bool {
    let Ok(text) = std::str::from_utf8(&stored.dead_letter.body) else { return false };
    let lines = text.replace("\r\n", "\n");
    !lines.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
        && (lines.len() == text.len() || lines.replace('\n', "\r\n") == text)
}
