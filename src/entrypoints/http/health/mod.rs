//! Whether the worker lives, and whether it can work.
//!
//! Everybody may ask, so the answers name no server and no reason that a server gave: those are in the
//! log and in the console.

mod database;
mod readiness;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

pub use database::DatabaseCheck;
use readiness::Readiness;

use super::App;

pub fn routes() -> Router<App> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}

/// A worker that has lost a lane of the queue ends by itself; what is left to ask is the lane of
/// requests.
async fn live(State(app): State<App>) -> impl IntoResponse {
    let answer = if app.requests.lane_lives() {
        (StatusCode::OK, "alive\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the lane of requests has ended\n")
    };
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

async fn ready(State(app): State<App>) -> impl IntoResponse {
    let readiness = Readiness::of(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(readiness))
}
