//! Giving dead letters up, and opening them again.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::fields::Fields;
use super::jobs::{begin, nothing_meant};
use super::selection::{Meant, Purpose, Selection};
use crate::adapters::clock::SystemClock;
use crate::entrypoints::http::console::components::form;
use crate::entrypoints::http::console::components::notice::{self, Flash};
use crate::entrypoints::http::console::layout::{Section, page};
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::jobs::{self, JobKind, JobRequest};
use crate::service_layer::dead_letters::{Actor, Decision};

/// Longest reason.
const REASON_CHARS: u32 = 500;

pub async fn ask_to_discard(app: State<App>, sent: Submitted<Fields>) -> Result<Response, Problem> {
    ask(app, sent, Decision::Discard).await
}

pub async fn ask_to_restore(app: State<App>, sent: Submitted<Fields>) -> Result<Response, Problem> {
    ask(app, sent, Decision::Restore).await
}

pub async fn discard(app: State<App>, sent: Submitted<Fields>) -> Result<Response, Problem> {
    decide(app, sent, Decision::Discard).await
}

pub async fn restore(app: State<App>, sent: Submitted<Fields>) -> Result<Response, Problem> {
    decide(app, sent, Decision::Restore).await
}

/// Asks for the reason.
async fn ask(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<Fields>,
    decision: Decision,
) -> Result<Response, Problem> {
    let meant = meant(&app, &form, decision).await?;
    if meant.ids.is_empty() {
        return Ok(nothing_meant(&visitor, &meant).into_response());
    }
    Ok(question(&visitor, &meant, decision, None))
}

async fn meant(app: &App, form: &Fields, decision: Decision) -> Result<Meant, Problem> {
    let purpose = match decision {
        Decision::Discard => Purpose::Discard,
        Decision::Restore => Purpose::Restore,
    };
    Selection::of(form)?.meant(form, app.database()?, purpose).await
}

fn question(
    visitor: &CurrentUser,
    meant: &Meant,
    decision: Decision,
    trouble: Option<&Markup>,
) -> Response {
    let (verb, path, consequence) = match decision {
        Decision::Discard => (
            "Discard",
            "discard",
            "They are given up. They can be restored until retention takes them.",
        ),
        Decision::Restore => ("Restore", "restore", "They are open again, for somebody to decide."),
    };
    let title = format!("{verb} {}?", meant.words());
    let body = html! {
        div .narrow {
            h1 { (title) }
            @if let Some(trouble) = trouble { (trouble) }
            p .lead { (consequence) }
            (meant.listed())
            form .stack method="post" action={ "/dead-letters/" (path) "/start" } {
                (form::proof(visitor))
                (meant.fields())
                (why_field("", decision == Decision::Discard))
                div .actions {
                    button .danger type="submit" { (verb) " " (meant.words()) }
                    a .button href=(meant.back) { "Back" }
                }
            }
        }
    };
    page(visitor, Section::DeadLetters, &title, body).into_response()
}

/// Where somebody says why.
pub fn why_field(why: &str, is_required: bool) -> Markup {
    html! {
        label for="why" { "Why" }
        input #why name="why" value=(why) required[is_required] maxlength=(REASON_CHARS) autocomplete="off"
            aria-describedby="why-help";
        p #why-help .hint { "Goes into the record, with your name." @if !is_required { " May be empty." } }
    }
}

/// Who does it, and the reason that they gave.
pub fn actor(visitor: &CurrentUser, form: &Fields) -> Actor {
    let why = form.text("why");
    let end = why.char_indices().nth(REASON_CHARS as usize).map_or(why.len(), |(end, _)| end);
    Actor::new(&visitor.caller().name, Some(&why[..end]))
}

/// One at once, several in a job.
async fn decide(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<Fields>,
    decision: Decision,
) -> Result<Response, Problem> {
    let meant = meant(&app, &form, decision).await?;
    let actor = actor(&visitor, &form);
    if decision == Decision::Discard && actor.why.is_none() {
        let trouble = notice::trouble(&html! { "Say why they are given up." });
        return Ok(question(&visitor, &meant, decision, Some(&trouble)));
    }
    let (database, audit_entry) =
        (app.database()?, decision.audit_entry(&actor, SystemClock.now()));
    if let [id] = meant.ids[..] {
        let is_done = decision.apply(&*database.dead_letters(), id, &audit_entry).await?;
        visitor.set_flash(told(decision, id, is_done));
        return Ok(Redirect::to(&format!("/dead-letters/{id}")).into_response());
    }
    let dead_letters = database.dead_letters();
    let request =
        JobRequest { kind: JobKind::Decision(decision), actor, ids: meant.ids.clone().into() };
    let work = |progress| jobs::decide(decision, audit_entry, dead_letters, progress);
    Ok(begin(&app, &visitor, &meant, request, work).into_response())
}

fn told(decision: Decision, id: i64, is_done: bool) -> Flash {
    if is_done {
        return Flash::Done(html! { "Dead letter " (id) " is " (decision.as_str()) "." });
    }
    let why = decision.why_unchanged();
    Flash::Refused(html! { "Dead letter " (id) " was left alone: it is " (why) " any more." })
}
