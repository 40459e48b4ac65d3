//! Finding orders and changing their status.

use axum::http::StatusCode;
use order_worker::domain::Status;
use order_worker::entrypoints::http::auth::Role;

use super::worker::Console;
use crate::builders::WithContent;
use crate::support::messages::{cancel, place, set_status};

#[tokio::test]
async fn orders_are_found_by_customer_status_and_period() {
    let console = Console::without_tokens().await;
    console.handle(place("14").of_customer("Ada")).await;
    console.handle(place("15").of_customer("Ada")).await;
    console.handle(place("16").of_customer("Bob")).await;
    console.handle(set_status("15", Status::Shipping)).await;
    for (search, found) in [
        ("", &["14", "15", "16"][..]),
        ("?customer=Ada", &["14", "15"]),
        ("?customer=Ada&status=shipping", &["15"]),
        ("?status=incomplete", &["14", "15", "16"]),
        ("?status=completed", &[]),
        ("?from=2000-01-01&until=2000-12-31", &[]),
        ("?from=2000-01-01", &["14", "15", "16"]),
    ] {
        let page = console.browser().get(&format!("/orders{search}")).await.body;
        for id in ["14", "15", "16"] {
            let is_there = page.contains(&format!("/order?id={id}\""));
            assert_eq!(is_there, found.contains(&id), "{id} in {search}");
        }
    }
}

#[tokio::test]
async fn an_order_is_found_by_its_id() {
    let console = Console::without_tokens().await;
    console.handle(place("ORD-2026/11")).await;
    let browser = console.browser();

    let found = browser.get("/orders?order=ORD-2026%2F11").await;
    let typed = browser.get("/orders/ORD-2026%2F11").await;
    let unknown = browser.get("/orders?order=15").await;

    assert_eq!(found.redirect(), "/order?id=ORD-2026/11");
    assert_eq!(typed.redirect(), found.redirect());
    assert_eq!(browser.get(found.redirect()).await.status, StatusCode::OK);
    assert!(unknown.body.contains("Order <bdi>15</bdi> not found"), "{}", unknown.body);
}

#[tokio::test]
async fn a_long_list_has_pages() {
    let console = Console::without_tokens().await;
    for number in 0..51 {
        console.handle(place(&number.to_string()).of_customer("Ada")).await;
    }
    let browser = console.browser();
    let rows = |page: &str| page.matches("/order?id=").count();

    let first = browser.get("/orders?customer=Ada").await.body;
    let (_, next) = first.rsplit_once("<a class=\"button\" href=\"").unwrap();
    let next = next.split_once('"').unwrap().0.replace("&amp;", "&");
    let second = browser.get(&next).await.body;

    assert_eq!((rows(&first), rows(&second)), (50, 1));
    assert!(second.contains("href=\"/orders?customer=Ada\""), "{second}");
}

#[tokio::test]
async fn an_invalid_search_shows_an_error() {
    let console = Console::without_tokens().await;
    for (search, error) in [
        ("?from=yesterday", "from: must be a day"),
        ("?from=2026-11-21&until=2026-11-20", "until: must not be before from"),
        ("?after=x", "after: "),
    ] {
        let page = console.browser().get(&format!("/orders{search}")).await.body;
        assert!(page.contains(error), "{search}: {page}");
    }
}

#[tokio::test]
async fn an_operator_moves_an_order_and_the_history_shows_who_did() {
    let console = Console::with_tokens().await;
    console.handle(place("14")).await;
    let browser = console.signed_in(Role::Operator).await;

    let response = browser.press("/order?id=14", "/order/next", &[]).await;

    let page = browser.get(response.redirect()).await.body;
    assert!(page.contains("The order is now Processing."), "{page}");
    assert!(!browser.get("/order?id=14").await.body.contains("is now"), "shown once");
    let history = console.order("14").await.history;
    let message_id = history[1].cause.message_id.as_deref().unwrap();
    assert!(message_id.starts_with("console-operator-"), "{message_id}");
    assert!(page.contains(message_id));
}

#[tokio::test]
async fn only_one_of_two_operators_moves_the_order() {
    let console = Console::with_tokens().await;
    console.handle(place("14")).await;
    let (ada, bob) =
        (console.signed_in(Role::Operator).await, console.signed_in(Role::Operator).await);
    let page = bob.get("/order?id=14").await.body;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let intent = "01a1fbb0-0000-7000-8000-000000000000";
    ada.press("/order?id=14", "/order/next", &[]).await.redirect();

    let fields = [("csrf", csrf), ("order_id", "14"), ("from", "received"), ("intent", intent)];
    bob.submit("/order/next", &fields).await.redirect();

    assert_eq!(console.order("14").await.order.status(), Status::Processing);
    let page = bob.get("/order?id=14").await.body;
    assert!(page.contains("Rejected: ") && page.contains("OrderMovedOn"), "{page}");
}

#[tokio::test]
async fn a_form_submitted_twice_has_one_effect() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;
    let browser = console.browser();
    let page = browser.get("/order?id=14").await.body;
    let value = |name: &str| {
        let field = format!("name=\"{name}\" value=\"");
        page.split(&field).nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let (csrf, intent) = (value("csrf"), value("intent"));
    let fields = [("csrf", &*csrf), ("order_id", "14"), ("from", "received"), ("intent", &*intent)];

    browser.submit("/order/next", &fields).await.redirect();
    browser.submit("/order/next", &fields).await.redirect();

    assert_eq!(console.order("14").await.order.version(), 2);
    let page = browser.get("/order?id=14").await.body;
    assert!(page.contains("Already applied. The order is Processing."), "{page}");
}

#[tokio::test]
async fn setting_a_final_status_has_to_be_confirmed() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;
    let browser = console.browser();

    let set = [("status", "completed")];
    let confirmation = browser.press("/order?id=14", "/order/set-status", &set).await;

    assert!(confirmation.body.contains("Set order 14 to Completed?"), "{}", confirmation.body);
    assert_eq!(console.order("14").await.order.status(), Status::Received);
    let set = [("status", "completed"), ("sure", "yes")];
    browser.press("/order?id=14", "/order/set-status", &set).await.redirect();
    assert_eq!(console.order("14").await.order.status(), Status::Completed);
    assert!(!browser.get("/order?id=14").await.body.contains("action=\"/order/next"));
}

#[tokio::test]
async fn moving_to_a_final_status_has_to_be_confirmed() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;
    console.handle(set_status("14", Status::Shipping)).await;
    let browser = console.browser();

    let confirmation = browser.press("/order?id=14", "/order/next", &[]).await;

    assert!(confirmation.body.contains("Set order 14 to Completed?"), "{}", confirmation.body);
    assert_eq!(console.order("14").await.order.status(), Status::Shipping);
    browser.press("/order?id=14", "/order/next", &[("sure", "yes")]).await.redirect();
    assert_eq!(console.order("14").await.order.status(), Status::Completed);
}

#[tokio::test]
async fn an_order_is_cancelled_with_a_reason() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;
    let browser = console.browser();

    let reason = [("reason", "Bought <twice>")];
    browser.press("/order/cancel?id=14", "/order/cancel", &reason).await.redirect();

    assert_eq!(console.order("14").await.order.status(), Status::Cancelled);
    let page = browser.get("/order?id=14").await.body;
    assert!(page.contains("Bought &lt;twice&gt;"), "{page}");
}

#[tokio::test]
async fn a_rejected_command_shows_the_reason() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;
    let browser = console.browser();
    let asked = browser.get("/order/cancel?id=14").await;
    assert_eq!(asked.status, StatusCode::OK);
    console.handle(cancel("14")).await;

    browser.press("/order/cancel?id=14", "/order/cancel", &[("reason", "")]).await.redirect();

    let page = browser.get("/order?id=14").await.body;
    assert!(page.contains("Rejected: the order is already cancelled"), "{page}");
    assert!(page.contains("OrderAlreadyCancelled"), "{page}");
}

#[tokio::test]
async fn an_order_that_does_not_exist_is_not_found() {
    let console = Console::without_tokens().await;
    for path in ["/order?id=14", "/order?id=", "/order/cancel?id=14"] {
        assert_eq!(console.browser().get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
