//! The page of a dead letter.

use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::{Markup, html};

use super::body::{body, difference, hides_addresses};
use super::masking::{Addresses, hides};
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

/// All that a page tells of a dead letter.
#[derive(Debug)]
pub struct Shown {
    pub stored: DeadLetterRecord,
    pub actions: Vec<AuditEntry>,
    /// The order that it is about, as it is now.
    pub order: Option<OrderHistory>,
}

pub async fn show(
    visitor: CurrentUser,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Page, Problem> {
    let shown = find(&app, parsed(&id)?).await?;
    Ok(page_of(&visitor, &shown, Addresses::Masked, None))
}

/// For whoever comes back to the address of a form.
pub async fn go_back(Path(id): Path<String>) -> Result<Redirect, Problem> {
    Ok(Redirect::to(&format!("/dead-letters/{}", parsed(&id)?)))
}

/// # Errors
/// When no dead letter can have this id.
pub fn parsed(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| Problem::not_found("no dead letter can have this id"))
}

/// # Errors
/// When there is no such dead letter, or the database does not answer.
pub async fn dead_letter(app: &App, id: i64) -> Result<DeadLetterRecord, Problem> {
    let found = app.database()?.dead_letters().dead_letter(id).await?;
    found.ok_or_else(|| {
        Problem::not_found(format!("there is no dead letter {id}, or it was old enough to go"))
    })
}

/// # Errors
/// As above.
pub async fn find(app: &App, id: i64) -> Result<Shown, Problem> {
    let database = app.database()?;
    let stored = dead_letter(app, id).await?;
    let actions = database.dead_letters().dead_letter_actions(id).await?;
    let order = current_order(&*database.orders(), &stored).await?;
    Ok(Shown { stored, actions, order })
}

/// The page; `outcome` is that of a dry run just now.
pub fn page_of(
    visitor: &CurrentUser,
    shown: &Shown,
    addresses: Addresses,
    outcome: Option<&DryRunOutcome>,
) -> Page {
    let Shown { stored, actions, order } = shown;
    let title = format!("Dead letter {}", stored.id);
    let content = html! {
        div .heading { h1 { (title) } (dead_letter_state(stored.state)) }
        @if let Some(outcome) = outcome { (foreseen(outcome)) }
        @if visitor.may_operate() { (actions_for(visitor, stored)) }
        (sections::reason(stored, order.is_some(), addresses))
        div .columns {
            div {
                (bodies(visitor, stored, addresses))
                (sections::properties(stored, addresses))
            }
            div {
                (sections::order(stored, order.as_ref()))
                (sections::record(actions))
            }
        }
    };
    page(visitor, Section::DeadLetters, &title, content)
}

/// What a replay would come to.
pub fn foreseen(outcome: &DryRunOutcome) -> Markup {
    let what = html! {
        strong { "Replayed now it would be: " (outcome.as_str()) "." } " "
        bdi { (Addresses::Masked.within(&outcome.detail())) }
        " (Nothing was published, nothing has changed.)"
    };
    match outcome.failure() {
        Some(_) => notice::trouble(&what),
        None => notice::hint(&what),
    }
}

/// What an operator may do with it in its state.
fn actions_for(visitor: &CurrentUser, stored: &DeadLetterRecord) -> Markup {
    let id = stored.id;
    let chosen = html! { input type="hidden" name="id" value=(id); };
    let with_id = |path: &str, button: &Markup| {
        form::post(visitor, &format!("/dead-letters/{path}"), &html! { (chosen) (button) })
    };
    let of_it = |path: &str, button: &Markup| {
        form::post(visitor, &format!("/dead-letters/{id}/{path}"), button)
    };
    let replay = with_id("replay", &html! { button .primary type="submit" { "Replay…" } });
    let dry_run = of_it("dry-run", &html! { button type="submit" { "Dry run" } });
    html! {
        div .panel.moves {
            @match stored.state {
                DeadLetterState::Open => {
                    (replay) (dry_run)
                    (of_it("edit", &html! { button type="submit" { "Edit…" } }))
                    (with_id("discard", &html! { button type="submit" { "Discard…" } }))
                }
                DeadLetterState::Replaying => {
                    (replay) (dry_run)
                    span .hint { "Somebody is replaying it. After two minutes it can be taken over." }
                }
                DeadLetterState::Replayed | DeadLetterState::Discarded => {
                    (with_id("restore", &html! { button type="submit" { "Restore…" } }))
                }
            }
        }
    }
}

fn bodies(visitor: &CurrentUser, stored: &DeadLetterRecord, addresses: Addresses) -> Markup {
    let present = &stored.dead_letter.body;
    html! {
        section .panel aria-labelledby="body" {
            h2 #body { "Body" " " span .hint { (present.len()) " bytes" } }
            (body(present, "Body", addresses))
            @if let Some(original) = &stored.original_body {
                h2 { "Edited since it came" }
                @let revision = format!("revision {}", stored.revision);
                @let changed = unified_diff(("as it came", original), (&revision, present));
                @if changed.is_empty() { p .hint { "It differs in blanks alone." } }
                @else { (difference(&changed, addresses)) }
                details {
                    summary { "The body as it came, " (original.len()) " bytes" }
                    (body(original, "Body as it came", addresses))
                }
            }
            @if addresses == Addresses::Masked && has_addresses(stored) {
                @if visitor.may_operate() { (show_button(visitor, stored.id)) }
                @else { p .hint { "E-mail addresses are masked." } }
            }
        }
    }
}

/// Whether the page masks anything of it.
pub fn has_addresses(stored: &DeadLetterRecord) -> bool {
    let dead_letter = &stored.dead_letter;
    let original = stored.original_body.as_deref().unwrap_or_default();
    hides_addresses(&dead_letter.body)
        || hides_addresses(original)
        || hides(&dead_letter.reason.detail)
        || hides(&properties_to_json(&dead_letter.properties))
}

fn show_button(visitor: &CurrentUser, id: i64) -> Markup {
    form::post(
        visitor,
        &format!("/dead-letters/{id}/show"),
        &html! {
            p .hint {
                "E-mail addresses are masked. "
                button .quiet type="submit" { "Show" }
                " Who looks is recorded."
            }
        },
    )
}
