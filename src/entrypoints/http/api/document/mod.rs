//! Documentation of the API: OpenAPI for programs, a page for people.
//!
//! Both are public: they contain no data.

mod example;
mod openapi;
mod page;

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::Redirect;
use axum::routing::get;

use crate::entrypoints::http::App;

const STYLE: &str = include_str!("page.css");

/// Only the page's own style sheet; no scripts.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

pub fn routes() -> Router<App> {
    let page = page::page().into_string();
    let document =
        serde_json::to_string(&openapi::document()).expect("a JSON value can be serialized");
    let html = headers("text/html; charset=utf-8");
    Router::new()
        .route("/api", get(async || Redirect::permanent("/api/")))
        .route("/api/", get(async move || (html, page)))
        .route("/api/page.css", get(async || (headers("text/css; charset=utf-8"), STYLE)))
        .route("/api/openapi.json", get(async move || (headers("application/json"), document)))
}

fn headers(content_type: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // The content changes with the version of the worker.
        (CACHE_CONTROL, "no-cache"),
    ]
}
