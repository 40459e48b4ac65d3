//! Dry runs.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use super::detail::{find, page_of, parse_id};
use super::fields::Fields;
use super::jobs::start_job;
use super::masking::EmailVisibility;
use super::selection::{Purpose, Selection};
use crate::entrypoints::http::console::Submitted;
use crate::entrypoints::http::console::layout::Page;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::Actor;
use crate::service_layer::dead_letters::jobs::{self, JobKind, JobRequest};

/// Shows the page of a dead letter with the outcome of its dry run.
pub async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { user, form: _ }: Submitted<Fields>,
) -> Result<Page, Problem> {
    let details = find(&app, parse_id(&id)?).await?;
    let outcome = app.database()?.dry_run().of(&details.record).await?.outcome;
    Ok(page_of(&user, &details, EmailVisibility::Masked, Some(&outcome)))
}

/// Starts the dry run of the selected dead letters as a job.
pub async fn start(
    State(app): State<App>,
    Submitted { user, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let database = app.database()?;
    let selected = Selection::of(&form)?.resolve(&form, &app, Purpose::Replay).await?;
    let actor = Actor::new(&user.caller().name, None);
    let request = JobRequest { kind: JobKind::DryRun, actor, ids: selected.ids.clone().into() };
    let (dry_run, dead_letters) = (database.dry_run(), database.dead_letters());
    let work = |progress| jobs::dry_run(dry_run, dead_letters, progress);
    Ok(start_job(&app, &user, &selected, request, work).into_response())
}
