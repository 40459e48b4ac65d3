//! Problems as pages, for people.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::layout::{Section, bare_page, page};
use super::{Visitor, headers};
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
    match response.extensions().get::<Problem>() {
        Some(problem) => {
            let page = page_of(problem.clone(), &mut parts, &app).await;
            let (mut answered, _) = response.into_parts();
            let (described, body) = page.into_parts();
            answered.headers.insert(CONTENT_TYPE, described.headers[CONTENT_TYPE].clone());
            headers::protect(Response::from_parts(answered, body)).await
        }
        None => response,
    }
}

fn is_for_people(request: &Request) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let path = request.uri().path();
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
        && !FOR_PROGRAMS.iter().any(|start| path.starts_with(start))
}

async fn page_of(problem: Problem, parts: &mut Parts, app: &App) -> Response {
    let body = described(&problem);
    match Visitor::from_request_parts(parts, app).await {
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
