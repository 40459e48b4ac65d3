//! A worker without orders.

use axum::http::StatusCode;
use order_worker::bootstrap::Broker;
use order_worker::entrypoints::http::auth::Role;

use super::worker::{Console, within_a_minute};

#[tokio::test]
async fn without_orders_the_overview_shows_how_to_place_one() {
    let console = Console::without_tokens().await;

    let page = console.browser().get("/").await.body;

    for text in ["curl http://127.0.0.1:8080/api/order/add/", "commands.ndjson", "AMQP_URL="] {
        assert!(page.contains(text), "{text} in {page}");
    }
}

#[tokio::test]
async fn the_demo_places_sample_orders() {
    let console = Console::without_tokens().await;
    let browser = console.browser();

    let started = browser.press("/", "/demo", &[]).await;

    let page = browser.get(started.redirect()).await.body;
    assert!(page.contains("20 commands published."), "{page}");
    within_a_minute(async {
        while !browser.get("/orders").await.body.contains("/order?id=GS-1002") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_viewer_sees_the_first_steps_without_the_demo() {
    let console = Console::with_tokens().await;

    let page = console.signed_in(Role::Viewer).await.get("/").await.body;

    assert!(page.contains("No orders yet") && !page.contains("/demo"), "{page}");
    assert!(page.contains("Authorization: Token"), "{page}");
}

#[tokio::test]
async fn the_demo_publishes_nothing_to_a_real_broker() {
    let console = Console::on_rabbitmq().await;
    assert!(matches!(console.broker, Broker::RabbitMq(_)));
    let browser = console.signed_in(Role::Operator).await;
    let page = browser.get("/").await.body;
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let (csrf, _) = rest.split_once('"').unwrap();

    let refused = browser.submit("/demo", &[("csrf", csrf)]).await;

    assert!(!page.contains("/demo"), "{page}");
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
}
