//! The page of a dead letter.

use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::{Markup, html};

use super::body::{body, contains_emails, diff};
use super::masking::{EmailVisibility, has_emails};
use super::sections;
use crate::entrypoints::body_format::unified_diff;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{dead_letter_state, form, notice};
use crate::entrypoints::http::console::layout::{Page, Section, page};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::OrderHistory;
use crate::service_layer::dead_letters::{
    AuditEntry, DeadLetterRecord, DeadLetterState, DryRunOutcome, current_order, properties_to_json,
};

/// The content of a dead letter's page.
#[derive(Debug)]
pub struct DeadLetterDetails {
    pub record: DeadLetterRecord,
    pub audit_log: Vec<AuditEntry>,
    /// The order of its command, as it is now.
    pub order: Option<OrderHistory>,
}

pub async fn show(
    user: CurrentUser,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Page, Problem> {
    let details = find(&app, parse_id(&id)?).await?;
    Ok(page_of(&user, &details, EmailVisibility::Masked, None))
}

/// When the URL of a form is opened again.
pub async fn back_to_dead_letter(Path(id): Path<String>) -> Result<Redirect, Problem> {
    Ok(Redirect::to(&format!("/dead-letters/{}", parse_id(&id)?)))
}

/// # Errors
/// When the id is not a number.
pub fn parse_id(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| Problem::not_found("invalid dead letter id"))
}

/// # Errors
/// When the dead letter does not exist, or the database is unavailable.
pub async fn dead_letter(app: &App, id: i64) -> Result<DeadLetterRecord, Problem> {
    let record = app.database()?.dead_letters().dead_letter(id).await?;
    record.ok_or_else(|| {
        Problem::not_found(format!("dead letter {id} does not exist, or retention has deleted it"))
    })
}

/// # Errors
/// When the dead letter does not exist, or the database is unavailable.
pub async fn find(app: &App, id: i64) -> Result<DeadLetterDetails, Problem> {
    let database = app.database()?;
    let record = dead_letter(app, id).await?;
    let audit_log = database.dead_letters().dead_letter_actions(id).await?;
    let order = current_order(&*database.orders(), &record).await?;
    Ok(DeadLetterDetails { record, audit_log, order })
}

/// The page, with the outcome of a dry run if there was one.
pub fn page_of(
    user: &CurrentUser,
    details: &DeadLetterDetails,
    emails: EmailVisibility,
    outcome: Option<&DryRunOutcome>,
) -> Page {
    let DeadLetterDetails { record, audit_log, order } = details;
    let title = format!("Dead letter {}", record.id);
    let content = html! {
        div .heading { h1 { (title) } (dead_letter_state(record.state)) }
        @if let Some(outcome) = outcome { (dry_run_notice(outcome)) }
        @if user.may_operate() { (actions(user, record)) }
        (sections::reason(record, order.is_some(), emails))
        div .columns {
            div {
                (bodies(user, record, emails))
                (sections::properties(record, emails))
            }
            div {
                (sections::order(record, order.as_ref()))
                (sections::audit_log(audit_log))
            }
        }
    };
    page(user, Section::DeadLetters, &title, content)
}

/// The outcome of a dry run.
pub fn dry_run_notice(outcome: &DryRunOutcome) -> Markup {
    let what = html! {
        strong { "Dry run: " (outcome.as_str()) "." } " "
        bdi { (EmailVisibility::Masked.apply(&outcome.detail())) }
        " (nothing was published or changed)"
    };
    match outcome.failure() {
        Some(_) => notice::error(&what),
        None => notice::info(&what),
    }
}

/// The actions that its state allows.
fn actions(user: &CurrentUser, record: &DeadLetterRecord) -> Markup {
    let id = record.id;
    let id_field = html! { input type="hidden" name="id" value=(id); };
    let with_id = |path: &str, button: &Markup| {
        form::post(user, &format!("/dead-letters/{path}"), &html! { (id_field) (button) })
    };
    let post = |path: &str, button: &Markup| {
        form::post(user, &format!("/dead-letters/{id}/{path}"), button)
    };
    let replay = with_id("replay", &html! { button .primary type="submit" { "Replay…" } });
    let dry_run = post("dry-run", &html! { button type="submit" { "Dry run" } });
    html! {
        div .panel.toolbar {
            @match record.state {
                DeadLetterState::Open => {
                    (replay) (dry_run)
                    (post("edit", &html! { button type="submit" { "Edit…" } }))
                    (with_id("discard", &html! { button type="submit" { "Discard…" } }))
                }
                DeadLetterState::Replaying => {
                    (replay) (dry_run)
                    span .hint { "A replay is in progress. Another one can take over after 2 minutes." }
                }
                DeadLetterState::Replayed | DeadLetterState::Discarded => {
                    (with_id("restore", &html! { button type="submit" { "Restore…" } }))
                }
            }
        }
    }
}

fn bodies(user: &CurrentUser, record: &DeadLetterRecord, emails: EmailVisibility) -> Markup {
    let current = &record.dead_letter.body;
    html! {
        section .panel aria-labelledby="body" {
            h2 #body { "Body" " " span .hint { (current.len()) " bytes" } }
            (body(current, "Body", emails))
            @if let Some(original) = &record.original_body {
                h2 { "Changes since it was received" }
                @let revision = format!("revision {}", record.revision);
                @let changed = unified_diff(("original", original), (&revision, current));
                @if changed.is_empty() { p .hint { "Only whitespace differs." } }
                @else { (diff(&changed, emails)) }
                details {
                    summary { "Original body, " (original.len()) " bytes" }
                    (body(original, "Original body", emails))
                }
            }
            @if emails == EmailVisibility::Masked && masks_emails(record) {
                @if user.may_operate() { (show_button(user, record.id)) }
                @else { p .hint { "E-mail addresses are masked." } }
            }
        }
    }
}

/// Whether the page masks e-mail addresses.
pub fn masks_emails(record: &DeadLetterRecord) -> bool {
    let dead_letter = &record.dead_letter;
    let original = record.original_body.as_deref().unwrap_or_default();
    contains_emails(&dead_letter.body)
        || contains_emails(original)
        || has_emails(&dead_letter.reason.detail)
        || has_emails(&properties_to_json(&dead_letter.properties))
}

fn show_button(user: &CurrentUser, id: i64) -> Markup {
    form::post(
        user,
        &format!("/dead-letters/{id}/show"),
        &html! {
            p .hint {
                "E-mail addresses are masked. "
                button .quiet type="submit" { "Show" }
                " Each access is recorded."
            }
        },
    )
}
