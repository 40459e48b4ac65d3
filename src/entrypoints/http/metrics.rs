//! What Prometheus scrapes, and how requests are measured.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::Instrument;
use tracing::field::Empty;

use super::App;
use super::access::Permission;
use super::routes::behind;
use crate::telemetry;

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
    let span = tracing::debug_span!("request", otel.name = Empty, otel.kind = Empty);
    let pattern = route.as_ref().map(MatchedPath::as_str);
    telemetry::describe_request(&span, method.as_str(), pattern, request.headers());
    let response = next.run(request).instrument(span).await;
    let (route, status) = (route.as_ref().map(MatchedPath::as_str), response.status().as_u16());
    app.health.metrics().http.answered(route, method.as_str(), status, began.elapsed());
    response
}
