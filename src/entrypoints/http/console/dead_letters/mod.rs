//! Dead letters: finding them, looking into one, trying out, mending, replaying, giving up.
//!
//! What is done with one is done at once, what is done with several goes on in a job.

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

use crate::entrypoints::decode::MAX_BODY_BYTES;
use crate::entrypoints::http::App;

/// Largest form with a body in it: a browser sends up to three bytes for one.
const MAX_FORM_BYTES: usize = 4 * MAX_BODY_BYTES;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/dead-letters", get(list::show))
        .route("/dead-letters/dry-run", get(list::go_back).post(dry_run::several))
        .route("/dead-letters/replay", get(list::go_back).post(replay::ask))
        .route("/dead-letters/replay/start", post(replay::start))
        .route("/dead-letters/discard", get(list::go_back).post(decide::ask_to_discard))
        .route("/dead-letters/discard/start", post(decide::discard))
        .route("/dead-letters/restore", get(list::go_back).post(decide::ask_to_restore))
        .route("/dead-letters/restore/start", post(decide::restore))
        .route("/dead-letters/jobs", get(jobs::list))
        .route("/dead-letters/jobs/{job}", get(jobs::show))
        .route("/dead-letters/jobs/{job}/stop", post(jobs::stop))
        .route("/dead-letters/{id}", get(detail::show))
        .route("/dead-letters/{id}/show", get(detail::go_back).post(reveal_email::show))
        .route("/dead-letters/{id}/dry-run", get(detail::go_back).post(dry_run::one))
        .merge(editing())
}

fn editing() -> Router<App> {
    Router::new()
        .route("/dead-letters/{id}/edit", get(detail::go_back).post(edit::begin))
        .route("/dead-letters/{id}/check", get(detail::go_back).post(edit::check))
        .route("/dead-letters/{id}/save", get(detail::go_back).post(edit::save))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}
