//! What Prometheus scrapes, and how requests are measured.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::Instrument;
use tracing::field::Empty;

use super::App;
use super::auth::{Permission, require_permission};
use crate::metrics::Metrics;
use crate::telemetry;

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn routes(app: &App) -> Router<App> {
    Router::new().route("/metrics", require_permission(app, Permission::ReadMetrics, get(scrape)))
}

async fn scrape(State(app): State<App>) -> impl IntoResponse {
    app.look_whether_blocked();
    ([(CONTENT_TYPE, TEXT)], app.health.metrics().text())
}

/// A request under way; counted when it ends, also without an answer.
struct Measured {
    metrics: Metrics,
    began: Instant,
    /// The pattern of the path, which has few values; the path itself has any.
    route: Option<MatchedPath>,
    method: Method,
    status: Option<u16>,
}

/// Has each request counted that comes through.
pub async fn measure(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let mut measured = Measured {
        metrics,
        began: Instant::now(),
        route: request.extensions().get().cloned(),
        method: request.method().clone(),
        status: None,
    };
    let span = tracing::debug_span!("request", otel.name = Empty, otel.kind = Empty);
    let pattern = measured.route.as_ref().map(MatchedPath::as_str);
    telemetry::describe_request(&span, measured.method.as_str(), pattern, request.headers());
    let response = next.run(request).instrument(span).await;
    measured.status = Some(response.status().as_u16());
    response
}

impl Drop for Measured {
    fn drop(&mut self) {
        let (route, method) = (self.route.as_ref().map(MatchedPath::as_str), self.method.as_str());
        self.metrics.http.ended(route, method, self.status, self.began.elapsed());
    }
}
