//! What operators and viewers come for.

use super::site::Site;

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn an_operator_finds_an_order_moves_it_and_sees_the_event_arrive() {
    let site = Site::with_an_order("GS-7/1").await;
    let browser = site.operator().await;
    browser.click("Orders").await;
    browser.fill("Order id", "GS-7/1").await;
    browser.click("Search").await;
    browser.sees("Order GS-7/1").await;
    let order = browser.present_tab().await;
    let events = browser.open_tab().await;
    browser.open("/events").await;
    browser.sees("Live").await;

    browser.go_to_tab(&order).await;
    browser.click("Move to Processing").await;

    browser.sees("The order is now Processing.").await;
    browser.sees("by ada at the console").await;
    browser.go_to_tab(&events).await;
    browser.sees("Received → Processing").await;
    assert!(browser.text().await.contains("Order GS-7/1"));
    browser.assert_no_complaints().await;
    // With the browser still watching.
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn a_viewer_looks_at_everything_and_has_no_buttons() {
    let site = Site::with_an_order("14").await;
    let browser = site.viewer().await;

    browser.open("/order?id=14").await;

    browser.sees("g…@example.com").await;
    browser.sees("<b>Grace</b> Hopper").await;
    assert_eq!(browser.controls().await, ["Sign out"]);
    for path in ["/", "/events", "/settings"] {
        browser.open(path).await;
        browser.sees("bob viewer").await;
    }
    browser.assert_no_complaints().await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn everything_but_the_live_events_works_without_script() {
    let site = Site::with_an_order("14").await;
    let browser = site.stranger().await;
    browser.without_script().await;
    browser.sign_in(site.operator_token()).await;
    browser.open("/orders?order=14").await;

    browser.click("Show").await;
    browser.sees("grace@example.com").await;
    browser.click("Move to Processing").await;
    browser.sees("The order is now Processing.").await;
    browser.fill("or correct it to", "Received").await;
    browser.click("Set status").await;
    browser.sees("The order is now Received.").await;
    browser.click("Cancel the order…").await;
    browser.fill("Reason", "Bought twice").await;
    browser.click("Cancel the order").await;
    browser.sees("“Bought twice”").await;

    browser.open("/events").await;
    browser.sees("Events are shown by a script").await;
    browser.click("Sign out").await;
    browser.sees("Token").await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn a_newcomer_with_a_real_broker_is_told_how_to_publish_and_offered_no_samples() {
    let site = Site::open().await;
    let browser = site.operator().await;
    browser.sees("There are no orders yet").await;

    browser.sees("Or publish one to RabbitMQ").await;

    assert!(!browser.text().await.contains("Feed the demo"));
    browser.assert_no_complaints().await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn a_page_that_is_open_follows_the_order() {
    let site = Site::with_an_order("14").await;
    let browser = site.viewer().await;
    browser.open("/order?id=14").await;
    browser.sees("Received").await;

    let body = r#"{"order_id": 14, "reason": "Bought twice"}"#;
    site.send("order.cancel", "desk-12", body).await;

    browser.sees("“Bought twice”").await;
    drop(browser);
    site.close().await;
}
