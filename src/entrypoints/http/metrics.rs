//! What Prometheus scrapes, and how requests are measured.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use super::access::Permission;
use super::routes::behind;

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn routes(app: &App) -> Router<App> {
    Router::new().route("/metrics", behind(app, Permission::ReadMetrics, get(scrape)))
}

async fn scrape(State(app): State<App>) -> impl IntoResponse {
    app.look_whether_blocked();
    ([(CONTENT_TYPE, TEXT)], app.health.metrics().text())
}

/// Counts a request by the pattern of its path, which has few values; the path itself has any.
pub async fn measure(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let (route, status) = (route.as_ref().map(MatchedPath::as_str), response.status().as_u16());
    app.health.metrics().http.answered(route, method.as_str(), status, began.elapsed());
    response
}
