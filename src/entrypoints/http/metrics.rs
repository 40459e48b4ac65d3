//! `/metrics`, the measuring of requests, and the history of metrics for the console.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::Empty;

use super::App;
use super::auth::{Permission, require_permission};
use crate::metrics::{Metrics, SNAPSHOT_INTERVAL};
use crate::telemetry;

/// The text format of Prometheus.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn routes(app: &App) -> Router<App> {
    Router::new().route("/metrics", require_permission(app, Permission::ReadMetrics, get(scrape)))
}

async fn scrape(State(app): State<App>) -> impl IntoResponse {
    app.check_blocked();
    ([(CONTENT_TYPE, TEXT_FORMAT)], app.health.metrics().text())
}

/// A request in progress. Counted when dropped, also if it gets no response.
struct RequestTimer {
    metrics: Metrics,
    began: Instant,
    /// The pattern of the path. The path itself would make a label of unlimited cardinality.
    route: Option<MatchedPath>,
    method: Method,
    status: Option<u16>,
}

/// Counts and times each request.
pub async fn measure(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let mut timer = RequestTimer {
        metrics,
        began: Instant::now(),
        route: request.extensions().get().cloned(),
        method: request.method().clone(),
        status: None,
    };
    let span = tracing::debug_span!("request", otel.name = Empty, otel.kind = Empty);
    let pattern = timer.route.as_ref().map(MatchedPath::as_str);
    telemetry::describe_request(&span, timer.method.as_str(), pattern, request.headers());
    let response = next.run(request).instrument(span).await;
    timer.status = Some(response.status().as_u16());
    response
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        let (route, method) = (self.route.as_ref().map(MatchedPath::as_str), self.method.as_str());
        self.metrics.http.ended(route, method, self.status, self.began.elapsed());
    }
}

/// Records the metrics for the console every few seconds, and whether the broker blocks publishing,
/// until `stop` is cancelled.
pub async fn record_history(app: App, stop: CancellationToken) {
    let mut next = interval(SNAPSHOT_INTERVAL);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(next.tick()).await.is_some() {
        app.check_blocked();
        let metrics = app.health.metrics();
        metrics.recent.push(metrics.snapshot());
    }
}
