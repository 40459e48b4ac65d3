//! Discarding and restoring dead letters.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::fields::Fields;
use super::jobs::{nothing_selected, start_job};
use super::selection::{Purpose, SelectedDeadLetters, Selection};
use crate::entrypoints::http::console::components::form;
use crate::entrypoints::http::console::components::notice::{self, Flash};
use crate::entrypoints::http::console::layout::{Section, page};
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::jobs::{self, JobKind, JobRequest};
use crate::service_layer::dead_letters::{Actor, Decision};

/// Maximum length of a reason, in characters.
const MAX_REASON_CHARS: u32 = 500;

pub async fn ask_to_discard(app: State<App>, form: Submitted<Fields>) -> Result<Response, Problem> {
    ask(app, form, Decision::Discard).await
}

pub async fn ask_to_restore(app: State<App>, form: Submitted<Fields>) -> Result<Response, Problem> {
    ask(app, form, Decision::Restore).await
}

pub async fn discard(app: State<App>, form: Submitted<Fields>) -> Result<Response, Problem> {
    decide(app, form, Decision::Discard).await
}

pub async fn restore(app: State<App>, form: Submitted<Fields>) -> Result<Response, Problem> {
    decide(app, form, Decision::Restore).await
}

/// The confirmation page, with a field for the reason.
async fn ask(
    State(app): State<App>,
    Submitted { user, form }: Submitted<Fields>,
    decision: Decision,
) -> Result<Response, Problem> {
    let selected = resolve(&app, &form, decision).await?;
    if selected.ids.is_empty() {
        return Ok(nothing_selected(&user, &selected).into_response());
    }
    Ok(confirmation(&user, &selected, decision, None))
}

async fn resolve(
    app: &App,
    form: &Fields,
    decision: Decision,
) -> Result<SelectedDeadLetters, Problem> {
    let purpose = match decision {
        Decision::Discard => Purpose::Discard,
        Decision::Restore => Purpose::Restore,
    };
    Selection::of(form)?.resolve(form, app, purpose).await
}

fn confirmation(
    user: &CurrentUser,
    selected: &SelectedDeadLetters,
    decision: Decision,
    error: Option<&Markup>,
) -> Response {
    let (verb, path, consequence) = match decision {
        Decision::Discard => (
            "Discard",
            "discard",
            "Discarded dead letters are not replayed. They can be restored until retention deletes them.",
        ),
        Decision::Restore => ("Restore", "restore", "Restored dead letters are open again."),
    };
    let title = format!("{verb} {}?", selected.label());
    let body = html! {
        div .narrow {
            h1 { (title) }
            @if let Some(error) = error { (error) }
            p .lead { (consequence) }
            (selected.links())
            form .stack method="post" action={ "/dead-letters/" (path) "/start" } {
                (form::csrf_field(user))
                (selected.fields())
                (reason_field("", decision == Decision::Discard))
                div .actions {
                    button .danger type="submit" { (verb) " " (selected.label()) }
                    a .button href=(selected.back) { "Back" }
                }
            }
        }
    };
    page(user, Section::DeadLetters, &title, body).into_response()
}

/// The field for a reason.
pub fn reason_field(why: &str, is_required: bool) -> Markup {
    html! {
        label for="why" { "Reason" }
        input #why name="why" value=(why) required[is_required] maxlength=(MAX_REASON_CHARS) autocomplete="off"
            aria-describedby="why-help";
        p #why-help .hint { "Recorded in the audit log with your name." @if !is_required { " Optional." } }
    }
}

/// The user with the reason from the form.
pub fn actor(user: &CurrentUser, form: &Fields) -> Actor {
    let why = form.text("why");
    let end = why.char_indices().nth(MAX_REASON_CHARS as usize).map_or(why.len(), |(end, _)| end);
    Actor::new(&user.caller().name, Some(&why[..end]))
}

/// Runs in the request for one dead letter, and as a job for several.
async fn decide(
    State(app): State<App>,
    Submitted { user, form }: Submitted<Fields>,
    decision: Decision,
) -> Result<Response, Problem> {
    let selected = resolve(&app, &form, decision).await?;
    let actor = actor(&user, &form);
    if decision == Decision::Discard && actor.why.is_none() {
        let error = notice::error(&html! { "A reason is required." });
        return Ok(confirmation(&user, &selected, decision, Some(&error)));
    }
    let (database, audit_entry) = (app.database()?, decision.audit_entry(&actor, app.clock.now()));
    if let [id] = selected.ids[..] {
        let is_done = decision.apply(&*database.dead_letters(), id, &audit_entry).await?;
        user.set_flash(decision_flash(decision, id, is_done));
        return Ok(Redirect::to(&format!("/dead-letters/{id}")).into_response());
    }
    let dead_letters = database.dead_letters();
    let request =
        JobRequest { kind: JobKind::Decision(decision), actor, ids: selected.ids.clone().into() };
    let work = |progress| jobs::decide(decision, audit_entry, dead_letters, progress);
    Ok(start_job(&app, &user, &selected, request, work).into_response())
}

fn decision_flash(decision: Decision, id: i64, is_done: bool) -> Flash {
    if is_done {
        return Flash::Done(html! { "Dead letter " (id) " " (decision.as_str()) "." });
    }
    let why = decision.why_unchanged();
    Flash::Refused(html! { "Dead letter " (id) " not changed: it is " (why) "." })
}
