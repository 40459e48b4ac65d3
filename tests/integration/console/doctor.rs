//! The page with the findings of the doctor.

use axum::http::StatusCode;
use order_worker::entrypoints::http::auth::Role;

use super::worker::Console;

#[tokio::test]
async fn the_doctor_shows_the_findings_and_the_readiness_of_this_worker() {
    let console = Console::without_tokens().await;

    let page = console.browser().get("/doctor").await;

    assert_eq!(page.status, StatusCode::OK);
    for text in ["in-process", "SQLite", "outbox", "worker", "0 errors"] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
}

#[tokio::test]
async fn an_unreachable_broker_is_an_error_with_its_meaning_and_fix() {
    let console = Console::on_rabbitmq().await;

    let page = console.signed_in(Role::Viewer).await.get("/doctor").await.body;

    for text in ["badge bad", "Nothing is lost.", "rabbitmq-diagnostics", "worker: "] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[tokio::test]
async fn the_doctor_requires_signing_in() {
    let console = Console::with_tokens().await;

    let stranger = console.browser().get("/doctor").await;

    assert!(stranger.redirect().starts_with("/sign-in"));
}
