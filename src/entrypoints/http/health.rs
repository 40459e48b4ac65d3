//! Whether the worker lives, and whether it can work.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;

use super::App;

pub fn routes() -> Router<App> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}

async fn live() -> &'static str {
    "alive\n"
}

async fn ready(State(app): State<App>) -> impl IntoResponse {
    if app.health.troubles().none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
