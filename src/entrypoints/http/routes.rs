//! All routes, with the permissions that they require.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;

use super::{App, Problem, api, console, health, metrics};

pub fn routes(app: &App) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(metrics::routes(app))
        .merge(api::routes(app))
        .merge(console::routes(app))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), console::as_pages))
        .with_state(app.clone())
}

async fn not_found() -> impl IntoResponse {
    Problem::not_found("there is nothing at this path")
}

async fn method_not_allowed() -> impl IntoResponse {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the path does not support this method")
}
