//! What replays would come to.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use super::detail::{find, page_of, parsed};
use super::fields::Fields;
use super::jobs::begin;
use super::masking::Addresses;
use super::selection::{Purpose, Selection};
use crate::entrypoints::http::console::Submitted;
use crate::entrypoints::http::console::layout::Page;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::Actor;
use crate::service_layer::dead_letters::jobs::{self, JobKind, JobRequest};

/// Tries one out, and shows its page with what came of it.
pub async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { visitor, form: _ }: Submitted<Fields>,
) -> Result<Page, Problem> {
    let shown = find(&app, parsed(&id)?).await?;
    let outcome = app.database()?.dry_run().of(&shown.stored).await?.outcome;
    Ok(page_of(&visitor, &shown, Addresses::Masked, Some(&outcome)))
}

/// Tries those out that are ticked, or all that match.
pub async fn several(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let database = app.database()?;
    let meant = Selection::of(&form)?.meant(&form, database, Purpose::Replay).await?;
    let actor = Actor::new(&visitor.caller().name, None);
    let request = JobRequest { kind: JobKind::DryRun, actor, ids: meant.ids.clone().into() };
    let (dry_run, dead_letters) = (database.dry_run(), database.dead_letters());
    let work = |progress| jobs::dry_run(dry_run, dead_letters, progress);
    Ok(begin(&app, &visitor, &meant, request, work).into_response())
}
