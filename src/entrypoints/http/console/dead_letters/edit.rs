//! Giving a dead letter another body.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::body::{difference, hides_addresses};
use super::decide::actor;
use super::detail::{dead_letter, foreseen, parsed};
use super::edit_page::{Draft, same, text_of};
use super::fields::Fields;
use super::masking::Addresses;
use super::reveal_email;
use crate::adapters::clock::SystemClock;
use crate::entrypoints::body_format::unified_diff;
use crate::entrypoints::http::console::components::notice::{self, Flash};
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::{
    Actor, AuditAction, AuditEntry, CheckedEdit, DeadLetterRecord, DeadLetterState,
};

/// Opens the present body for editing, which shows it as it is.
pub async fn begin(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { visitor, form: _ }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let stored = dead_letter(&app, parsed(&id)?).await?;
    if stored.state != DeadLetterState::Open {
        visitor.set_flash(Flash::Refused(not_open(&stored)));
        return Ok(back(&stored));
    }
    if hides_addresses(&stored.dead_letter.body) {
        reveal_email::record(&app, &visitor, stored.id, "opened for editing").await?;
    }
    let draft = Draft { text: text_of(&stored), why: String::new(), can_fail: false };
    Ok(draft.page(&visitor, &stored, &html! {}).into_response())
}

/// Shows how the new body differs, and what a replay with it would come to.
pub async fn check(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { visitor, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let stored = dead_letter(&app, parsed(&id)?).await?;
    let mut draft = Draft::of(&form);
    let tried = match draft.body(&stored) {
        body if same(&stored, &body) => is_the_same(),
        body => {
            let edit = check_edit(&app, &stored, body).await?;
            draft.can_fail = edit.outcome.failure().is_some();
            tried_out(&stored, &edit)
        }
    };
    let notices = html! { @if stored.state != DeadLetterState::Open { (notice::trouble(&not_open(&stored))) } (tried) };
    Ok(draft.page(&visitor, &stored, &notices).into_response())
}

/// Keeps the new body, unless somebody else was faster, or it would still fail and nobody wants that.
pub async fn save(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { visitor, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let stored = dead_letter(&app, parsed(&id)?).await?;
    let mut draft = Draft::of(&form);
    let body = draft.body(&stored);
    if stored.state != DeadLetterState::Open || form.text("revision") != stored.revision.to_string()
    {
        return conflict(&app, &visitor, &stored, &draft).await;
    }
    let actor = actor(&visitor, &form);
    if same(&stored, &body) || actor.why.is_none() {
        let missing = if actor.why.is_none() { say_why() } else { is_the_same() };
        return Ok(incomplete(draft.page(&visitor, &stored, &missing)));
    }
    let edit = check_edit(&app, &stored, body).await?;
    draft.can_fail = edit.outcome.failure().is_some();
    if draft.can_fail && !form.is_ticked("anyway") {
        return Ok(incomplete(draft.page(&visitor, &stored, &tried_out(&stored, &edit))));
    }
    if keep(&app, &stored, &edit, &actor).await? {
        visitor.set_flash(Flash::Done(kept(&stored, &edit)));
        return Ok(back(&stored));
    }
    let present = dead_letter(&app, stored.id).await?;
    conflict(&app, &visitor, &present, &draft).await
}

async fn keep(
    app: &App,
    stored: &DeadLetterRecord,
    edit: &CheckedEdit,
    actor: &Actor,
) -> Result<bool, Problem> {
    let dead_letters = app.database()?.dead_letters();
    Ok(edit.save(&*dead_letters, stored, actor, SystemClock.now()).await?)
}

/// What somebody wrote is not lost: it stands beside what is there now.
async fn conflict(
    app: &App,
    visitor: &CurrentUser,
    present: &DeadLetterRecord,
    draft: &Draft,
) -> Result<Response, Problem> {
    let actions = app.database()?.dead_letters().dead_letter_actions(present.id).await?;
    let edited = actions.iter().rfind(|action| action.what == AuditAction::Edit);
    let notices = html! {
        @if present.state != DeadLetterState::Open { (notice::trouble(&not_open(present))) }
        @else { (notice::trouble(&edited_meanwhile(present, edited))) }
        (differences(present, &draft.body(present)))
    };
    let page = draft.page(visitor, present, &notices);
    Ok((StatusCode::CONFLICT, page).into_response())
}

fn edited_meanwhile(present: &DeadLetterRecord, edited: Option<&AuditEntry>) -> Markup {
    html! {
        "Nothing was saved: "
        @match edited {
            Some(AuditEntry { who, why, .. }) => {
                bdi { (who) } " has edited it meanwhile"
                @if let Some(why) = why { " (“" bdi { (why) } "”)" }
            }
            None => "it was edited meanwhile",
        }
        ". Below is your text, compared with revision " (present.revision) ". Save again to replace that."
    }
}

async fn check_edit(
    app: &App,
    stored: &DeadLetterRecord,
    body: Vec<u8>,
) -> Result<CheckedEdit, Problem> {
    Ok(app.database()?.dry_run().with_body(stored, body).await?)
}

fn tried_out(stored: &DeadLetterRecord, edit: &CheckedEdit) -> Markup {
    html! { (foreseen(&edit.outcome)) (differences(stored, &edit.revision.body)) }
}

fn differences(stored: &DeadLetterRecord, body: &[u8]) -> Markup {
    let revision = format!("revision {}", stored.revision);
    let changed = unified_diff((&revision, &stored.dead_letter.body), ("your text", body));
    html! {
        section .panel aria-labelledby="difference" {
            h2 #difference { "What changes" }
            @if changed.is_empty() { p .hint { "It differs in blanks alone." } }
            @else { (difference(&changed, Addresses::Masked)) }
        }
    }
}

fn kept(stored: &DeadLetterRecord, edit: &CheckedEdit) -> Markup {
    html! {
        "Revision " (stored.revision + 1) " is saved. Replayed now it would be "
        (edit.outcome.as_str()) "."
    }
}

fn not_open(stored: &DeadLetterRecord) -> Markup {
    html! { "Dead letter " (stored.id) " is " (stored.state) ": only one that is open can be edited." }
}

fn say_why() -> Markup {
    notice::trouble(&html! { "Nothing was saved: say why it is changed." })
}

fn is_the_same() -> Markup {
    notice::hint(&html! { "The body is the same." })
}

fn incomplete(page: impl IntoResponse) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

fn back(stored: &DeadLetterRecord) -> Response {
    Redirect::to(&format!("/dead-letters/{}", stored.id)).into_response()
}
