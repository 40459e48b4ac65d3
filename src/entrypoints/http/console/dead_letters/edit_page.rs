//! The editor page.

use maud::{Markup, html};

use super::decide::reason_field;
use super::fields::Fields;
use crate::entrypoints::body_format::indented;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{dead_letter_state, form, notice};
use crate::entrypoints::http::console::layout::{Page, Section, page};
use crate::service_layer::dead_letters::{DeadLetterRecord, DeadLetterState};

/// The submitted text, before it is saved.
#[derive(Debug)]
pub struct Draft {
    pub text: String,
    pub why: String,
    /// Whether the dry run fails, so that saving has to be confirmed.
    pub still_fails: bool,
}

impl Draft {
    pub fn of(form: &Fields) -> Self {
        // Browsers send line breaks as CRLF.
        let text = form.text("body").replace("\r\n", "\n");
        Self { text, why: form.text("why").to_owned(), still_fails: false }
    }

    /// The bytes to save, with the line endings of the current body.
    pub fn body(&self, record: &DeadLetterRecord) -> Vec<u8> {
        let has_crlf = record.dead_letter.body.windows(2).any(|pair| pair == b"\r\n");
        let text = if has_crlf { self.text.replace('\n', "\r\n") } else { self.text.clone() };
        text.into_bytes()
    }

    /// The page, with notices about the last check.
    pub fn page(&self, user: &CurrentUser, record: &DeadLetterRecord, notices: &Markup) -> Page {
        let title = format!("Edit dead letter {}", record.id);
        let path = format!("/dead-letters/{}", record.id);
        let body = html! {
            div .heading { h1 { (title) } (dead_letter_state(record.state)) }
            (notices)
            @if !is_representable(record) { (notice::info(&html! { (NOT_REPRESENTABLE) })) }
            form .panel.stack method="post" action={ (path) "/check" } {
                (form::csrf_field(user))
                input type="hidden" name="revision" value=(record.revision);
                label for="text" { "Body, revision " (record.revision) }
                // Browsers ignore the first line break of a textarea.
                textarea #text name="body" rows=(self.rows()) spellcheck="false" autocapitalize="off" { "\n" (self.text) }
                div .actions { button type="submit" { "Check" } }
                @if record.state == DeadLetterState::Open { (self.save_fields(&path)) }
                div .actions { a .button href=(path) { "Back without saving" } }
            }
        };
        page(user, Section::DeadLetters, &title, body)
    }

    fn rows(&self) -> usize {
        (self.text.lines().count() + 2).clamp(8, 30)
    }

    fn save_fields(&self, path: &str) -> Markup {
        html! {
            (reason_field(&self.why, false))
            @if self.still_fails {
                label { input type="checkbox" name="anyway"; "Save although the dry run fails" }
            }
            div .actions { button .primary type="submit" formaction={ (path) "/save" } { "Save" } }
        }
    }
}

const NOT_REPRESENTABLE: &str = "The body contains bytes that this form cannot represent; they are replaced \
    below. To set arbitrary bytes, use order-worker dead-letters edit --body.";

/// The current body as the editor shows it; single-line JSON is indented.
pub fn editable_text(record: &DeadLetterRecord) -> String {
    let body = &record.dead_letter.body;
    let is_one_line = !body.trim_ascii().contains(&b'\n');
    let indented = Some(body).filter(|_| is_one_line).and_then(|body| indented(body));
    indented.unwrap_or_else(|| String::from_utf8_lossy(body).replace("\r\n", "\n"))
}

/// Whether the text is that of the current body.
pub fn is_unchanged(record: &DeadLetterRecord, body: &[u8]) -> bool {
    record.dead_letter.body == body
        || is_representable(record) && editable_text(record).as_bytes() == body
}

/// Whether a form submits the body unchanged.
fn is_representable(record: &DeadLetterRecord) -> bool {
    let Ok(text) = std::str::from_utf8(&record.dead_letter.body) else { return false };
    let lines = text.replace("\r\n", "\n");
    !lines.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
        && (lines.len() == text.len() || lines.replace('\n', "\r\n") == text)
}
