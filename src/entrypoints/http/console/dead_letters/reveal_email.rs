//! Reveals the e-mail addresses of a dead letter, and records who viewed them.

use axum::extract::{Path, State};

use super::detail::{find, page_of, parse_id};
use super::fields::Fields;
use super::masking::EmailVisibility;
use crate::entrypoints::http::console::layout::Page;
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::Actor;
use crate::service_layer::dead_letters::AuditAction;

/// Records the access, then shows the addresses on this page only.
pub async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { user, form: _ }: Submitted<Fields>,
) -> Result<Page, Problem> {
    let id = parse_id(&id)?;
    record(&app, &user, id, "e-mail addresses shown").await?;
    Ok(page_of(&user, &find(&app, id).await?, EmailVisibility::Shown, None))
}

/// Records and logs that a user sees the e-mail addresses.
///
/// # Errors
/// When the dead letter does not exist, or the database is unavailable. Nothing may be shown then.
pub async fn record(app: &App, user: &CurrentUser, id: i64, how: &str) -> Result<(), Problem> {
    let actor = Actor::new(&user.caller().name, None);
    let entry = actor.audit_entry(app.clock.now(), AuditAction::Disclose, how);
    if app.database()?.dead_letters().record_action(id, &entry).await? {
        tracing::info!(
            dead_letter = id,
            who = entry.who,
            how,
            "E-mail addresses of a dead letter shown"
        );
        return Ok(());
    }
    Err(Problem::not_found("dead letter not found"))
}
