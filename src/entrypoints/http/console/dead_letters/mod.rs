//! Pages of dead letters: list, detail, dry run, edit, replay, discard, restore.
//!
//! Replays, and actions on several dead letters, run as jobs; other actions run in the request.

mod body;
mod components;
mod counts;
mod decide;
mod detail;
mod dry_run;
mod edit;
mod edit_page;
mod fields;
mod groups;
mod job_page;
mod jobs;
mod list;
mod masking;
mod replay;
mod replay_page;
mod reveal_email;
mod search;
mod sections;
mod selection;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::entrypoints::http::App;
use crate::service_layer::decode::MAX_BODY_BYTES;

/// Maximum size of a form with a body: URL encoding takes up to three bytes per byte.
const MAX_FORM_BYTES: usize = 4 * MAX_BODY_BYTES;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/dead-letters", get(list::show))
        .route("/dead-letters/dry-run", get(list::back_to_list).post(dry_run::start))
        .route("/dead-letters/replay", get(list::back_to_list).post(replay::ask))
        .route("/dead-letters/replay/start", post(replay::start))
        .route("/dead-letters/discard", get(list::back_to_list).post(decide::ask_to_discard))
        .route("/dead-letters/discard/start", post(decide::discard))
        .route("/dead-letters/restore", get(list::back_to_list).post(decide::ask_to_restore))
        .route("/dead-letters/restore/start", post(decide::restore))
        .route("/dead-letters/jobs", get(jobs::list))
        .route("/dead-letters/jobs/{job}", get(jobs::show))
        .route("/dead-letters/jobs/{job}/stop", post(jobs::stop))
        .route("/dead-letters/{id}", get(detail::show))
        .route("/dead-letters/{id}/show", get(detail::back_to_dead_letter).post(reveal_email::show))
        .route("/dead-letters/{id}/dry-run", get(detail::back_to_dead_letter).post(dry_run::one))
        .merge(editing())
}

fn editing() -> Router<App> {
    Router::new()
        .route("/dead-letters/{id}/edit", get(detail::back_to_dead_letter).post(edit::begin))
        .route("/dead-letters/{id}/check", get(detail::back_to_dead_letter).post(edit::check))
        .route("/dead-letters/{id}/save", get(detail::back_to_dead_letter).post(edit::save))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}
