//! Headers, assets and error pages.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use order_worker::entrypoints::http::auth::Role;

use super::worker::Console;

const PAGES: [&str; 5] = ["/", "/orders", "/events", "/settings", "/nowhere"];

#[tokio::test]
async fn the_policy_forbids_other_sites_and_inline_script_and_style() {
    let console = Console::without_tokens().await;
    for path in PAGES {
        let page = console.browser().get(path).await;

        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{path}: {policy}");
        assert!(
            !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        for inline in ["<style", " style=", "\" on", "javascript:"] {
            assert!(!page.body.contains(inline), "{inline} in {path}: {}", page.body);
        }
        assert_eq!(page.body.matches("<script").count(), 1, "{path}");
    }
}

#[tokio::test]
async fn pages_are_not_cached() {
    let console = Console::without_tokens().await;
    for path in PAGES {
        let page = console.browser().get(path).await;

        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
    }
}

#[tokio::test]
async fn assets_are_cached_by_their_hashed_names() {
    let console = Console::without_tokens().await;
    let page = console.browser().get("/").await.body;
    let named = page.split('"').filter(|part| part.starts_with("/assets/"));
    let named: Vec<&str> = named.collect();
    assert_eq!(named.len(), 3, "{named:?}");

    for path in named {
        let asset = console.browser().get(path).await;
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        let again = Request::get(path).header("if-none-match", asset.header("etag"));
        let again = console.browser().response(again, Body::empty()).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test]
async fn browsers_get_an_error_page_and_programs_a_problem() {
    let console = Console::without_tokens().await;
    let page = console.browser().get("/nowhere").await;
    let problem = console.browser().get("/api/nowhere").await;

    assert_eq!((page.status, problem.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert!(page.body.contains("There is nothing at this path.") && page.body.contains("<nav"));
    assert_eq!(problem.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn an_invalid_request_gets_an_error_page() {
    let console = Console::without_tokens().await;

    let page = console.browser().get("/orders?status=a&status=b").await;

    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains("The request is invalid."), "{}", page.body);
}

#[tokio::test]
async fn settings_show_values_without_secrets() {
    let console = Console::with_tokens().await;

    let page = console.signed_in(Role::Viewer).await.get("/settings").await.body;

    assert!(page.contains("PREFETCH") && page.contains("2000"), "{page}");
    assert!(page.contains("token required") && !page.contains("operator:"), "{page}");
}
