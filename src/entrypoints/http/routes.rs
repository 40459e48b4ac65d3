//! All routes, each behind the permission that it takes.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;

use super::{App, Problem, api, console, health, metrics};

/// A router for everything.
pub fn routes(app: &App) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(metrics::routes(app))
        .merge(api::routes(app))
        .merge(console::routes(app))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), console::as_pages))
        .with_state(app.clone())
}

async fn nothing_here() -> impl IntoResponse {
    Problem::not_found("there is nothing at this path")
}

async fn wrong_method() -> impl IntoResponse {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
}
