//! Dead letters in a browser.

use serde_json::json;

use super::browser::Browser;
use super::readability::LOW_CONTRAST;
use super::site::{Site, order};
use crate::test_env::eventually;

/// A price with too many decimals.
fn too_precise(order_id: &str) -> String {
    order(order_id, "Grace Hopper").replace("12.50", "12.505")
}

impl Site {
    /// With dead letter 1: an order with a price that has too many decimals.
    async fn with_a_dead_letter(order_id: &str) -> Self {
        let site = Self::open().await;
        site.send("order.place", "cart-1", &too_precise(order_id)).await;
        site.has("dead_letters").await;
        site
    }

    /// With dead letters of cancellations that arrived before their orders.
    async fn with_early_cancellations(count: usize) -> Self {
        let site = Self::open().await;
        for number in 0..count {
            let body = format!(r#"{{"order_id": "GS-{number}"}}"#);
            site.send("order.cancel", &format!("desk-{number}"), &body).await;
        }
        let env = &site.env;
        eventually("all are collected", || async { env.count("dead_letters").await == count })
            .await;
        for number in 0..count {
            let id = format!("GS-{number}");
            site.send("order.place", &format!("cart-{number}"), &order(&id, "Ada Lovelace")).await;
        }
        eventually("all are placed", || async { env.count("orders").await == count }).await;
        site
    }
}

/// Edits the price of dead letter 1.
async fn fix(browser: &Browser, order_id: &str) {
    browser.click("Edit…").await;
    browser.fill("Body, revision 1", &order(order_id, "Grace Hopper")).await;
    browser.click("Check").await;
    browser.wait_for("Dry run: accepted.").await;
    browser.fill("Reason", "The shop has rounded prices since Tuesday").await;
    browser.click("Save").await;
    browser.wait_for("Revision 2 saved.").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn an_operator_edits_and_replays_a_dead_letter() {
    let site = Site::with_a_dead_letter("GS-9").await;
    let browser = site.operator().await;
    browser.click("Dead letters").await;
    browser.wait_for("must have at most … decimals").await;
    browser.click("1").await;
    browser.wait_for("g…@example.com").await;

    fix(&browser, "GS-9").await;
    browser.wait_for("+      \"price_per_unit\": \"12.50\"").await;
    browser.click("Replay…").await;
    browser.click("Replay dead letter 1").await;

    browser.wait_for("1 of 1").await;
    browser.wait_for("accepted").await;
    browser.open("/dead-letters/1").await;
    browser.wait_for("replay by ada").await;
    browser.click("GS-9").await;
    browser.wait_for("PlaceOrder by message cart-1").await;
    browser.assert_no_errors().await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn a_group_is_replayed_and_the_page_shows_its_progress() {
    let site = Site::with_early_cancellations(6).await;
    let browser = site.operator().await;
    browser.open("/dead-letters").await;
    browser.click("Dry run").await;
    browser.wait_for("6 of 6").await;

    browser.click("Replay…").await;
    browser.fill("Pace (step sizes)", "1 at a time").await;
    browser.click("Replay 6 dead letters").await;

    browser.wait_for("6 of 6").await;
    browser.wait_for("done").await;
    let env = &site.env;
    let cancelled = "orders where status = 6 and version = 2";
    assert_eq!(env.count(cancelled).await, 6);
    browser.assert_no_errors().await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn a_dead_letter_is_edited_and_replayed_without_script() {
    let site = Site::with_a_dead_letter("GS-9").await;
    let browser = site.new_browser().await;
    browser.disable_script().await;
    browser.sign_in(site.operator_token()).await;
    browser.open("/dead-letters/1").await;

    browser.click("Show").await;
    browser.wait_for("grace@example.com").await;
    fix(&browser, "GS-9").await;
    browser.click("Replay…").await;
    browser.click("Replay dead letter 1").await;

    browser.wait_for("1 of 1").await;
    browser.wait_for("done").await;
    site.has("orders where order_id = 'GS-9'").await;
    drop(browser);
    site.close().await;
}

const PAGES: [&str; 6] = [
    "/dead-letters",
    "/dead-letters?view=list",
    "/dead-letters?older=yesterday",
    "/dead-letters/1",
    "/dead-letters/jobs",
    "/dead-letters/2",
];

/// Buttons that lead to the pages without a URL.
const STEPS: [(&str, &str); 4] = [
    ("/dead-letters/1", "Dry run"),
    ("/dead-letters/1", "Edit…"),
    ("/dead-letters/1", "Replay…"),
    ("/dead-letters/1", "Discard…"),
];

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn the_pages_of_dead_letters_have_contrast_and_fit_on_a_phone() {
    let long = "long-order-id-".repeat(4);
    let site = Site::with_a_dead_letter(&long).await;
    let browser = site.operator().await;
    browser.open("/dead-letters").await;
    browser.click("Dry run").await;
    browser.wait_for("1 of 1").await;
    browser.resize(360, 740, true).await;
    let steps = PAGES.into_iter().map(|path| (path, None));
    for (path, button) in steps.chain(STEPS.into_iter().map(|(path, name)| (path, Some(name)))) {
        for dark in [false, true] {
            browser.set_dark_mode(dark).await;
            browser.open(path).await;
            if let Some(button) = button {
                browser.follow(button).await;
            }
            assert_eq!(
                browser.run_script(LOW_CONTRAST).await,
                json!([]),
                "{path} {button:?}, dark: {dark}"
            );
            let width = browser.run_script("return document.documentElement.scrollWidth").await;
            assert_eq!(width, json!(360), "{path} {button:?}");
        }
    }
    drop(browser);
    site.close().await;
}
