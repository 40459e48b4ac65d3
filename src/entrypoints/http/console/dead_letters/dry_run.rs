//! What replays would come to.

use std::sync::Arc;

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
use crate::service_layer::dead_letters::jobs::{self, JobKind, Order};

/// Tries one out, and shows its page with what came of it.
pub async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    Submitted { visitor, form: _ }: Submitted<Fields>,
) -> Result<Page, Problem> {
    let shown = find(&app, parsed(&id)?).await?;
    let mut rehearsal = app.database()?.dry_run();
    let prospect = rehearsal.of(&shown.stored).await?.prospect;
    Ok(page_of(&visitor, &shown, Addresses::Masked, Some(&prospect)))
}

/// Tries those out that are ticked, or all that match.
pub async fn several(
    State(app): State<App>,
    Submitted { visitor, form }: Submitted<Fields>,
) -> Result<Response, Problem> {
    let database = app.database()?;
    let meant = Selection::of(&form)?.meant(&form, database, Purpose::Replay).await?;
    let ids: Arc<[i64]> = meant.ids.clone().into();
    let actor = Actor::new(&visitor.caller().name, None);
    let order = Order { kind: JobKind::DryRun, actor, ids: ids.clone() };
    let (rehearsal, dead_letters) = (database.dry_run(), database.dead_letters());
    let work = |note| jobs::rehearse(rehearsal, dead_letters, ids, note);
    Ok(begin(&app, &visitor, &meant, order, work).into_response())
}
