//! Editing the body of a dead letter.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::body::{contains_emails, diff};
use super::decide::actor;
use super::detail::{dead_letter, dry_run_notice, parse_id};
use super::edit_page::{Draft, editable_text, is_unchanged};
use super::fields::Fields;
use super::masking::EmailVisibility;
use super::reveal_email;
use crate::entrypoints::body_format::unified_diff;
use crate::entrypoints::http::console::components::notice::{self, Flash};
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::{
    Actor, AuditAction, AuditEntry, CheckedEdit, DeadLetterRecord, DeadLetterState,
};

/// Opens the current body in the editor, with its e-mail addresses.
pub async fn begin(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { user, form: _ }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let record = dead_letter(&app, parse_id(&id)?).await?;
    if record.state != DeadLetterState::Open {
        user.set_flash(Flash::Refused(not_open(&record)));
        return Ok(redirect_to(&record));
    }
    if contains_emails(&record.dead_letter.body) {
        reveal_email::record(&app, &user, record.id, "opened for editing").await?;
    }
    let draft = Draft { text: editable_text(&record), why: String::new(), still_fails: false };
    Ok(draft.page(&user, &record, &html! {}).into_response())
}

/// Shows the changes and the outcome of a dry run.
pub async fn check(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { user, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let record = dead_letter(&app, parse_id(&id)?).await?;
    let mut draft = Draft::of(&form);
    let result = match draft.body(&record) {
        body if is_unchanged(&record, &body) => unchanged(),
        body => {
            let edit = check_edit(&app, &record, body).await?;
            draft.still_fails = edit.outcome.failure().is_some();
            checked(&record, &edit)
        }
    };
    let notices = html! { @if record.state != DeadLetterState::Open { (notice::error(&not_open(&record))) } (result) };
    Ok(draft.page(&user, &record, &notices).into_response())
}

/// Saves the new body. Refused if another user has edited it in the meantime, or if it still fails and the
/// user has not confirmed that.
pub async fn save(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { user, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let record = dead_letter(&app, parse_id(&id)?).await?;
    let mut draft = Draft::of(&form);
    let body = draft.body(&record);
    if record.state != DeadLetterState::Open || form.text("revision") != record.revision.to_string()
    {
        return conflict(&app, &user, &record, &draft).await;
    }
    let actor = actor(&user, &form);
    if is_unchanged(&record, &body) || actor.why.is_none() {
        let missing = if actor.why.is_none() { reason_required() } else { unchanged() };
        return Ok(incomplete(draft.page(&user, &record, &missing)));
    }
    let edit = check_edit(&app, &record, body).await?;
    draft.still_fails = edit.outcome.failure().is_some();
    if draft.still_fails && !form.is_checked("anyway") {
        return Ok(incomplete(draft.page(&user, &record, &checked(&record, &edit))));
    }
    if save_edit(&app, &record, &edit, &actor).await? {
        user.set_flash(Flash::Done(saved(&record, &edit)));
        return Ok(redirect_to(&record));
    }
    let current = dead_letter(&app, record.id).await?;
    conflict(&app, &user, &current, &draft).await
}

async fn save_edit(
    app: &App,
    record: &DeadLetterRecord,
    edit: &CheckedEdit,
    actor: &Actor,
) -> Result<bool, Problem> {
    let dead_letters = app.database()?.dead_letters();
    Ok(edit.save(&*dead_letters, record, actor, app.clock.now()).await?)
}

/// Keeps the user's text and compares it with the current body.
async fn conflict(
    app: &App,
    user: &CurrentUser,
    current: &DeadLetterRecord,
    draft: &Draft,
) -> Result<Response, Problem> {
    let audit_log = app.database()?.dead_letters().dead_letter_actions(current.id).await?;
    let last_edit = audit_log.iter().rfind(|entry| entry.what == AuditAction::Edit);
    let notices = html! {
        @if current.state != DeadLetterState::Open { (notice::error(&not_open(current))) }
        @else { (notice::error(&edit_conflict(current, last_edit))) }
        (changes(current, &draft.body(current)))
    };
    let page = draft.page(user, current, &notices);
    Ok((StatusCode::CONFLICT, page).into_response())
}

fn edit_conflict(current: &DeadLetterRecord, last_edit: Option<&AuditEntry>) -> Markup {
    html! {
        "Not saved: "
        @match last_edit {
            Some(AuditEntry { who, why, .. }) => {
                bdi { (who) } " has edited it in the meantime"
                @if let Some(why) = why { " (“" bdi { (why) } "”)" }
            }
            None => "it was edited in the meantime",
        }
        ". Your text is kept below, compared with revision " (current.revision) ". Save again to overwrite it."
    }
}

async fn check_edit(
    app: &App,
    record: &DeadLetterRecord,
    body: Vec<u8>,
) -> Result<CheckedEdit, Problem> {
    Ok(app.database()?.dry_run().with_body(record, body).await?)
}

fn checked(record: &DeadLetterRecord, edit: &CheckedEdit) -> Markup {
    html! { (dry_run_notice(&edit.outcome)) (changes(record, &edit.revision.body)) }
}

fn changes(record: &DeadLetterRecord, body: &[u8]) -> Markup {
    let revision = format!("revision {}", record.revision);
    let diff_text = unified_diff((&revision, &record.dead_letter.body), ("your text", body));
    html! {
        section .panel aria-labelledby="changes" {
            h2 #changes { "Changes" }
            @if diff_text.is_empty() { p .hint { "Only whitespace differs." } }
            @else { (diff(&diff_text, EmailVisibility::Masked)) }
        }
    }
}

fn saved(record: &DeadLetterRecord, edit: &CheckedEdit) -> Markup {
    html! {
        "Revision " (record.revision + 1) " saved. Dry run: " (edit.outcome.as_str()) "."
    }
}

fn not_open(record: &DeadLetterRecord) -> Markup {
    html! { "Dead letter " (record.id) " is " (record.state) ". Only open dead letters can be edited." }
}

fn reason_required() -> Markup {
    notice::error(&html! { "Not saved: a reason is required." })
}

fn unchanged() -> Markup {
    notice::info(&html! { "The body is unchanged." })
}

fn incomplete(page: impl IntoResponse) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

fn redirect_to(record: &DeadLetterRecord) -> Response {
    Redirect::to(&format!("/dead-letters/{}", record.id)).into_response()
}
