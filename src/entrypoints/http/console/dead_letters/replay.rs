//! Replays.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use super::decide::actor;
use super::fields::{Fields, invalid_field};
use super::jobs::{nothing_selected, start_job};
use super::replay_page::{MAX_REPLAYS, confirmation};
use super::selection::{Purpose, Selection};
use crate::entrypoints::http::console::Submitted;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::jobs::{self, JobKind, JobRequest};
use crate::service_layer::dead_letters::{Replay, ReplayLimits, interval};

/// Maximum wait for the outcomes of a step.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(60);

/// The confirmation page, with the options of the replay.
pub async fn ask(
    State(app): State<App>,
    Submitted { user, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let selected = Selection::of(&form)?.resolve(&form, &app, Purpose::Replay).await?;
    if selected.ids.is_empty() {
        return Ok(nothing_selected(&user, &selected).into_response());
    }
    Ok(confirmation(&user, &selected).into_response())
}

/// Starts the job for the dead letters that the confirmation page listed.
pub async fn start(
    State(app): State<App>,
    Submitted { user, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let database = app.database()?;
    let limits = limits(&form)?;
    let selected = Selection::of(&form)?.resolve(&form, &app, Purpose::Replay).await?;
    let actor = actor(&user, &form);
    let replay = Replay {
        dead_letters: database.dead_letters(),
        orders: database.orders(),
        dry_run: database.dry_run(),
        publisher: app.broker.publisher(),
        clock: app.clock.clone(),
        actor: actor.clone(),
        limits,
        stop: CancellationToken::new(),
    };
    let request = JobRequest { kind: JobKind::Replay, actor, ids: selected.ids.clone().into() };
    let work = |progress| jobs::replay(replay, progress);
    Ok(start_job(&app, &user, &selected, request, work).into_response())
}

/// # Errors
/// When a field is invalid.
fn limits(form: &Fields) -> Result<ReplayLimits, Problem> {
    let schedule = match form.text("other_pace").trim() {
        "" => form.text("pace"),
        other => other,
    };
    let schedule = if schedule.is_empty() { "all" } else { schedule };
    let stop_after = form.number("stop_after_failures")?;
    Ok(ReplayLimits {
        schedule: schedule.parse().map_err(|error| invalid_field("pace", error))?,
        interval: form.number("rate")?.map(interval),
        stop_after_failures: stop_after.and_then(|max| usize::try_from(max).ok()),
        max_replays: form.number("most_replays")?.unwrap_or(MAX_REPLAYS),
        force: form.is_checked("force"),
        outcome_timeout: OUTCOME_TIMEOUT,
    })
}
