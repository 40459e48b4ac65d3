//! Liveness and readiness.
//!
//! Both are public, so they contain neither addresses nor error messages of servers; those are in the log
//! and in the console.

mod database;
mod readiness;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

pub use database::DatabaseCheck;
pub use readiness::Readiness;

use super::App;

pub fn routes() -> Router<App> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}

/// Checks the lane of HTTP commands: a worker whose lane of the queue fails ends by itself.
async fn live(State(app): State<App>) -> impl IntoResponse {
    let status = if app.requests.has_lane() {
        (StatusCode::OK, "alive\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the lane of HTTP commands has ended\n")
    };
    ([(CACHE_CONTROL, "no-store")], status).into_response()
}

async fn ready(State(app): State<App>) -> impl IntoResponse {
    let readiness = Readiness::of(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(readiness))
}
