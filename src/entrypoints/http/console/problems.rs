//! Problems as pages, for people.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::layout::{Section, bare_page, page};
use super::{CurrentUser, headers};
use crate::entrypoints::http::{App, Problem};

/// What programs ask: there a problem stays what it is.
const FOR_PROGRAMS: [&str; 4] = ["/api", "/health", "/metrics", "/openapi"];

/// Answers a browser that met a [`Problem`] with a page.
pub async fn as_pages(State(app): State<App>, request: Request, next: Next) -> Response {
    if !is_for_people(&request) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let asked = parts.clone();
    let response = next.run(Request::from_parts(asked, body)).await;
    let told = response.extensions().get::<Problem>().cloned();
    let Some(problem) = told.or_else(|| unreadable(&response)) else { return response };
    let page = page_of(&problem, &mut parts, &app).await;
    let (mut answered, _) = response.into_parts();
    let (described, body) = page.into_parts();
    answered.headers.remove(CONTENT_LENGTH);
    answered.headers.insert(CONTENT_TYPE, described.headers[CONTENT_TYPE].clone());
    headers::protect(Response::from_parts(answered, body)).await
}

/// What stands for the plain text of an extractor, which speaks of types.
fn unreadable(response: &Response) -> Option<Problem> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let is_text = content_type.is_some_and(|content_type| content_type.starts_with("text/plain"));
    let is_refused = response.status().is_client_error() && is_text;
    is_refused.then(|| Problem::new(response.status(), "the request cannot be read"))
}

fn is_for_people(request: &Request) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let path = request.uri().path();
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
        && !FOR_PROGRAMS.iter().any(|start| path.starts_with(start))
}

async fn page_of(problem: &Problem, parts: &mut Parts, app: &App) -> Response {
    let body = described(problem);
    match CurrentUser::from_request_parts(parts, app).await {
        Ok(visitor) => page(&visitor, Section::None, problem.title, body).into_response(),
        Err(_) => bare_page(problem.title, body).into_response(),
    }
}

fn described(problem: &Problem) -> Markup {
    html! {
        h1 { (problem.title) }
        p .lead { (sentence(&problem.detail)) }
        p { a href="/" { "Go to the overview" } }
        p .hint { "Status " (problem.status.as_u16()) }
    }
}

/// A detail with a capital letter and a full stop.
fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let text: String = first.chain(letters).collect();
    if text.ends_with(['.', '?', '!']) { text } else { format!("{text}.") }
}
