//! Limits on size, time and addressing of a request.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Version};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tower_http::limit::RequestBodyLimitLayer;

use super::activity::Activity;
use super::refusals::{Refusal, RefusalLog};
use crate::entrypoints::http::Problem;
use crate::service_layer::decode::MAX_BODY_BYTES;

/// Maximum size of a body on any route, in bytes. A route that sets no limit of its own takes at most
/// what a command may have.
const MAX_ROUTE_BODY_BYTES: usize = 4 * MAX_BODY_BYTES;

/// Maximum time from the head of a request to the head of its response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The routes behind all limits; every refusal is a [`Problem`].
pub fn with_limits(routes: Router, worker: Handle, refusals: &RefusalLog) -> Router {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(worker, on_worker_runtime))
        .layer(from_fn(within_timeout))
        .layer(RequestBodyLimitLayer::new(MAX_ROUTE_BODY_BYTES))
        .layer(from_fn(check_host))
        .layer(map_response(text_to_problem))
        .layer(from_fn_with_state(refusals.clone(), record_refusal))
}

/// Runs the handler on the worker's runtime, and turns a panic into a 500.
async fn on_worker_runtime(State(worker): State<Handle>, request: Request, next: Next) -> Response {
    // When the client disconnects, the handler is cancelled.
    let handling = AbortOnDropHandle::new(worker.spawn(next.run(request)));
    handling.await.unwrap_or_else(|_| {
        // The panic hook has written the message to standard error.
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
    })
}

async fn within_timeout(request: Request, next: Next) -> Response {
    let activity = request.extensions().get::<Activity>().cloned();
    if let Ok(response) = tokio::time::timeout(RESPONSE_TIMEOUT, next.run(request)).await {
        return response;
    }
    let seconds = RESPONSE_TIMEOUT.as_secs();
    let problem = if activity.is_some_and(|activity| activity.is_reading_body()) {
        let detail = format!("the body did not arrive within {seconds} s");
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    } else {
        let detail = format!("no response within {seconds} s");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    };
    problem.into_response()
}

/// Refuses a request that names two different hosts: a proxy in front may have routed it by the other
/// one.
async fn check_host(request: Request, next: Next) -> Response {
    if has_one_host(&request) {
        return next.run(request).await;
    }
    let detail = "the header Host must be present once and match the host of the request target";
    Problem::new(StatusCode::BAD_REQUEST, detail).into_response()
}

fn has_one_host(request: &Request) -> bool {
    let hosts: Vec<_> = request.headers().get_all(HOST).iter().collect();
    match (&hosts[..], request.uri().authority()) {
        ([], _) => request.version() < Version::HTTP_11,
        ([_], None) => true,
        ([host], Some(target)) => {
            let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            host.as_ref() == Some(target)
        }
        _ => false,
    }
}

/// Replaces plain-text errors of layers and extractors by problems.
async fn text_to_problem(response: Response) -> Response {
    let status = response.status();
    let detail = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => "the request cannot be read",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "the content type is not supported",
        StatusCode::INTERNAL_SERVER_ERROR => "internal error",
        _ => return response,
    };
    if is_plain_text(response.headers()) {
        return Problem::new(status, detail).into_response();
    }
    response
}

fn is_plain_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    content_type.is_none_or(|it| it.starts_with("text/plain"))
}

async fn record_refusal(
    State(refusals): State<RefusalLog>,
    request: Request,
    next: Next,
) -> Response {
    // A worker that is not ready has refused no request.
    let is_health_check = request.uri().path().starts_with("/health/");
    let response = next.run(request).await;
    if let Some(refusal) = Refusal::of_status(response.status())
        && !is_health_check
    {
        refusals.record(refusal);
    }
    response
}
