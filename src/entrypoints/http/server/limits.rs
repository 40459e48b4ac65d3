//! What a request may be, and what it may take.

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
use super::refusals::{Refusal, Refusals};
use crate::entrypoints::decode::MAX_BODY_BYTES;
use crate::entrypoints::http::Problem;

/// Largest body that any route may take; without further words they take what a command may have.
const MAX_ROUTE_BODY_BYTES: usize = 4 * MAX_BODY_BYTES;

/// Longest time from the head of a request to the head of its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The routes, with an answer to whatever comes.
pub fn limited(routes: Router, worker: Handle, refusals: &Refusals) -> Router {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(worker, beside_the_worker))
        .layer(from_fn(in_time))
        .layer(RequestBodyLimitLayer::new(MAX_ROUTE_BODY_BYTES))
        .layer(from_fn(well_addressed))
        .layer(map_response(as_problem))
        .layer(from_fn_with_state(refusals.clone(), counted))
}

/// Has the routes run where the worker's other tasks do, and their panics end here.
async fn beside_the_worker(State(worker): State<Handle>, request: Request, next: Next) -> Response {
    // When the client goes, so does what it asked for.
    let handling = AbortOnDropHandle::new(worker.spawn(next.run(request)));
    handling.await.unwrap_or_else(|_| {
        // What a panic said is on standard error already.
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the worker has a bug here").into_response()
    })
}

async fn in_time(request: Request, next: Next) -> Response {
    let activity = request.extensions().get::<Activity>().cloned();
    if let Ok(response) = tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        return response;
    }
    let seconds = ANSWER_WITHIN.as_secs();
    let problem = if activity.is_some_and(|activity| activity.is_receiving()) {
        let detail = format!("the body did not come within {seconds} s");
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    } else {
        let detail = format!("there was no answer within {seconds} s");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    };
    problem.into_response()
}

/// Refuses what says twice, and differently, to whom it is sent: a proxy in front may have taken the
/// other one.
async fn well_addressed(request: Request, next: Next) -> Response {
    if is_well_addressed(&request) {
        return next.run(request).await;
    }
    let detail = "the header Host must be there once, and name the host of the address";
    Problem::new(StatusCode::BAD_REQUEST, detail).into_response()
}

fn is_well_addressed(request: &Request) -> bool {
    let hosts: Vec<_> = request.headers().get_all(HOST).iter().collect();
    match (&hosts[..], request.uri().authority()) {
        ([], _) => request.version() < Version::HTTP_11,
        ([_], None) => true,
        ([host], Some(named)) => {
            let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            host.as_ref() == Some(named)
        }
        _ => false,
    }
}

/// Says as a problem what a layer or an extractor says as plain text.
async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let detail = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => "the request cannot be read",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "the body has another content type than it should",
        StatusCode::INTERNAL_SERVER_ERROR => "the worker has a bug here",
        _ => return response,
    };
    if is_plain_text(response.headers()) {
        return Problem::new(status, detail).into_response();
    }
    response
}

fn is_plain_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_none_or(|kind| kind.starts_with("text/plain"))
}

async fn counted(State(refusals): State<Refusals>, request: Request, next: Next) -> Response {
    // A worker that says it is not ready turns nobody away.
    let asks_for_health = request.uri().path().starts_with("/health/");
    let response = next.run(request).await;
    if let Some(refusal) = Refusal::of_status(response.status())
        && !asks_for_health
    {
        refusals.note(refusal);
    }
    response
}
