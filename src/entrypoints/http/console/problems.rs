//! Error responses as pages.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::layout::{Section, bare_page, page};
use super::{CurrentUser, headers};
use crate::entrypoints::http::{App, Problem};

/// Paths for programs, where a problem stays `application/problem+json`.
const API_PATHS: [&str; 4] = ["/api", "/health", "/metrics", "/openapi"];

/// Replaces a [`Problem`] by a page if a browser sent the request.
pub async fn as_pages(State(app): State<App>, request: Request, next: Next) -> Response {
    if !wants_page(&request) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let request_parts = parts.clone();
    let response = next.run(Request::from_parts(request_parts, body)).await;
    let problem = response.extensions().get::<Problem>().cloned();
    let Some(problem) = problem.or_else(|| rejected_by_extractor(&response)) else {
        return response;
    };
    let page = page_of(&problem, &mut parts, &app).await;
    let (mut response_parts, _) = response.into_parts();
    let (page_parts, body) = page.into_parts();
    response_parts.headers.remove(CONTENT_LENGTH);
    response_parts.headers.insert(CONTENT_TYPE, page_parts.headers[CONTENT_TYPE].clone());
    headers::protect(Response::from_parts(response_parts, body)).await
}

/// Replaces the plain text of an extractor, which names Rust types.
fn rejected_by_extractor(response: &Response) -> Option<Problem> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let is_text = content_type.is_some_and(|content_type| content_type.starts_with("text/plain"));
    let is_rejected = response.status().is_client_error() && is_text;
    is_rejected.then(|| Problem::new(response.status(), "the request is invalid"))
}

fn wants_page(request: &Request) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let path = request.uri().path();
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
        && !API_PATHS.iter().any(|start| path.starts_with(start))
}

async fn page_of(problem: &Problem, parts: &mut Parts, app: &App) -> Response {
    let body = error_body(problem);
    match CurrentUser::from_request_parts(parts, app).await {
        Ok(user) => page(&user, Section::None, problem.title, body).into_response(),
        Err(_) => bare_page(problem.title, body).into_response(),
    }
}

fn error_body(problem: &Problem) -> Markup {
    html! {
        h1 { (problem.title) }
        p .lead { (sentence(&problem.detail)) }
        p { a href="/" { "Back to the overview" } }
        p .hint { "HTTP status " (problem.status.as_u16()) }
    }
}

/// Adds an initial capital and a full stop.
fn sentence(detail: &str) -> String {
    let mut chars = detail.chars();
    let first = chars.next().map(char::to_uppercase).into_iter().flatten();
    let text: String = first.chain(chars).collect();
    if text.ends_with(['.', '?', '!']) { text } else { format!("{text}.") }
}
