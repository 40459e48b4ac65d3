//! What operators and viewers do.

use super::site::Site;

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn an_operator_finds_an_order_moves_it_and_sees_the_event() {
    let site = Site::with_an_order("GS-7/1").await;
    let browser = site.operator().await;
    browser.click("Orders").await;
    browser.fill("Order id", "GS-7/1").await;
    browser.click("Search").await;
    browser.wait_for("Order GS-7/1").await;
    let order = browser.current_tab().await;
    let events = browser.open_tab().await;
    browser.open("/events").await;
    browser.wait_for("Live").await;

    browser.switch_to_tab(&order).await;
    browser.click("Move to Processing").await;

    browser.wait_for("The order is now Processing.").await;
    browser.wait_for("by ada in the console").await;
    browser.switch_to_tab(&events).await;
    browser.wait_for("Received → Processing").await;
    assert!(browser.text().await.contains("Order GS-7/1"));
    browser.assert_no_errors().await;
    // With the browser still open.
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn a_viewer_sees_everything_and_has_no_buttons() {
    let site = Site::with_an_order("14").await;
    let browser = site.viewer().await;

    browser.open("/order?id=14").await;

    browser.wait_for("g…@example.com").await;
    browser.wait_for("<b>Grace</b> Hopper").await;
    assert_eq!(browser.controls().await, ["Sign out"]);
    for path in ["/", "/events", "/settings"] {
        browser.open(path).await;
        browser.wait_for("bob viewer").await;
    }
    browser.assert_no_errors().await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn everything_except_live_events_works_without_script() {
    let site = Site::with_an_order("14").await;
    let browser = site.new_browser().await;
    browser.disable_script().await;
    browser.sign_in(site.operator_token()).await;
    browser.open("/orders?order=14").await;

    browser.click("Show").await;
    browser.wait_for("grace@example.com").await;
    browser.click("Move to Processing").await;
    browser.wait_for("The order is now Processing.").await;
    browser.fill("Status", "Received").await;
    browser.click("Set status").await;
    browser.wait_for("The order is now Received.").await;
    browser.click("Cancel order…").await;
    browser.fill("Reason", "Bought twice").await;
    browser.click("Cancel order").await;
    browser.wait_for("“Bought twice”").await;

    browser.open("/events").await;
    browser.wait_for("Live events require JavaScript.").await;
    browser.click("Sign out").await;
    browser.wait_for("Token").await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn on_rabbitmq_the_first_steps_show_how_to_publish_and_offer_no_demo() {
    let site = Site::open().await;
    let browser = site.operator().await;
    browser.wait_for("No orders yet").await;

    browser.wait_for("Or publish a command to RabbitMQ").await;

    assert!(!browser.text().await.contains("Run the demo"));
    browser.assert_no_errors().await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn an_open_page_shows_changes_of_its_order() {
    let site = Site::with_an_order("14").await;
    let browser = site.viewer().await;
    browser.open("/order?id=14").await;
    browser.wait_for("Received").await;

    let body = r#"{"order_id": 14, "reason": "Bought twice"}"#;
    site.send("order.cancel", "desk-12", body).await;

    browser.wait_for("“Bought twice”").await;
    drop(browser);
    site.close().await;
}
