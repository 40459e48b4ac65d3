//! The e-mail addresses in a dead letter, for whoever leaves their name.

use axum::extract::{Path, State};

use super::detail::{find, page_of, parsed};
use super::fields::Fields;
use super::masking::Addresses;
use crate::adapters::clock::SystemClock;
use crate::entrypoints::http::console::layout::Page;
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::Actor;
use crate::service_layer::dead_letters::AuditAction;

/// Records who asks, then shows the addresses on this one page.
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { visitor, form: _ }: Submitted<Fields>,
) -> Result<Page, Problem> {
    let id = parsed(&id)?;
    record(&app, &visitor, id, "e-mail addresses shown").await?;
    Ok(page_of(&visitor, &find(&app, id).await?, Addresses::Shown, None))
}

/// Records that somebody sees what is masked for others.
///
/// # Errors
/// When there is no such dead letter, or the database does not answer: then nothing may be shown.
pub async fn record(app: &App, visitor: &CurrentUser, id: i64, how: &str) -> Result<(), Problem> {
    let actor = Actor::new(&visitor.caller().name, None);
    let action = actor.audit_entry(SystemClock.now(), AuditAction::Disclose, how);
    if app.database()?.dead_letters().record_action(id, &action).await? {
        tracing::info!(
            dead_letter = id,
            who = action.who,
            how,
            "E-mail addresses of a dead letter"
        );
        return Ok(());
    }
    Err(Problem::not_found("there is no such dead letter"))
}
