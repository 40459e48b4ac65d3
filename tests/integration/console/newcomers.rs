//! A worker without orders.

use axum::http::StatusCode;
use order_worker::bootstrap::Broker;
use order_worker::entrypoints::http::auth::Role;

use super::worker::{Console, within_a_minute};

#[tokio::test]
async fn an_empty_worker_says_how_to_get_orders() {
    let console = Console::open_to_this_machine().await;

    let page = console.browser().get("/").await.body;

    for told in ["curl http://127.0.0.1:8080/api/order/add/", "commands.ndjson", "AMQP_URL="] {
        assert!(page.contains(told), "{told} in {page}");
    }
}

#[tokio::test]
async fn the_demo_is_fed_with_one_button() {
    let console = Console::open_to_this_machine().await;
    let browser = console.browser();

    let fed = browser.press("/", "/demo", &[]).await;

    let page = browser.get(fed.leads_to()).await.body;
    assert!(page.contains("20 commands were fed."), "{page}");
    within_a_minute(async {
        while !browser.get("/orders").await.body.contains("/order?id=GS-1002") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_viewer_is_told_but_cannot_feed() {
    let console = Console::with_tokens().await;

    let page = console.signed_in(Role::Viewer).await.get("/").await.body;

    assert!(page.contains("There are no orders yet") && !page.contains("/demo"), "{page}");
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
