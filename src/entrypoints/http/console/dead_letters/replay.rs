//! Replaying dead letters.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use super::decide::actor;
use super::fields::{Fields, wrong};
use super::jobs::{begin, nothing_meant};
use super::replay_page::{MAX_REPLAYS, question};
use super::selection::{Purpose, Selection};
use crate::adapters::clock::SystemClock;
use crate::entrypoints::http::console::Submitted;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::jobs::{self, JobKind, JobRequest};
use crate::service_layer::dead_letters::{Replay, ReplayLimits, interval};

/// Maximum wait for the outcomes of a step.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(60);

/// Asks how, and shows how many it would be.
pub async fn ask(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let meant = Selection::of(&form)?.meant(&form, app.database()?, Purpose::Replay).await?;
    if meant.ids.is_empty() {
        return Ok(nothing_meant(&visitor, &meant).into_response());
    }
    Ok(question(&visitor, &meant).into_response())
}

/// Begins the job, with just those that the page named.
pub async fn start(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let database = app.database()?;
    let limits = limits(&form)?;
    let meant = Selection::of(&form)?.meant(&form, database, Purpose::Replay).await?;
    let actor = actor(&visitor, &form);
    let replay = Replay {
        dead_letters: database.dead_letters(),
        orders: database.orders(),
        dry_run: database.dry_run(),
        publisher: app.broker.publisher(),
        clock: Arc::new(SystemClock),
        actor: actor.clone(),
        limits,
        stop: CancellationToken::new(),
    };
    let request = JobRequest { kind: JobKind::Replay, actor, ids: meant.ids.clone().into() };
    let work = |progress| jobs::replay(replay, progress);
    Ok(begin(&app, &visitor, &meant, request, work).into_response())
}

/// # Errors
/// When a field means nothing.
fn limits(form: &Fields) -> Result<ReplayLimits, Problem> {
    let schedule = match form.text("other_pace").trim() {
        "" => form.text("pace"),
        other => other,
    };
    let schedule = if schedule.is_empty() { "all" } else { schedule };
    let stop_after = form.number("stop_after_failures")?;
    Ok(ReplayLimits {
        schedule: schedule.parse().map_err(|error| wrong("pace", error))?,
        interval: form.number("rate")?.map(interval),
        stop_after_failures: stop_after.and_then(|most| usize::try_from(most).ok()),
        max_replays: form.number("most_replays")?.unwrap_or(MAX_REPLAYS),
        force: form.is_ticked("force"),
        outcome_timeout: OUTCOME_TIMEOUT,
    })
}
