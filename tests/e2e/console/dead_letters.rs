//! Dead letters in a browser.

use serde_json::json;

use super::browser::Browser;
use super::looks::FAINT;
use super::site::{Site, order};
use crate::test_env::eventually;

/// Prices with more decimals than money has.
fn too_precise(order_id: &str) -> String {
    order(order_id, "Grace Hopper").replace("12.50", "12.505")
}

impl Site {
    /// With dead letter 1, which is such an order.
    async fn with_a_dead_letter(order_id: &str) -> Self {
        let site = Self::open().await;
        site.send("order.place", "cart-1", &too_precise(order_id)).await;
        site.has("dead_letters").await;
        site
    }

    /// Cancellations that came before their orders, as dead letters, and then the orders.
    async fn with_early_cancellations(count: usize) -> Self {
        let site = Self::open().await;
        for number in 0..count {
            let body = format!(r#"{{"order_id": "GS-{number}"}}"#);
            site.send("order.cancel", &format!("desk-{number}"), &body).await;
        }
        let env = &site.env;
        eventually("all are kept", || async { env.count("dead_letters").await == count }).await;
        for number in 0..count {
            let id = format!("GS-{number}");
            site.send("order.place", &format!("cart-{number}"), &order(&id, "Ada Lovelace")).await;
        }
        eventually("all are placed", || async { env.count("orders").await == count }).await;
        site
    }
}

/// Mends the price, as whoever knows what it should be.
async fn mend(browser: &Browser, order_id: &str) {
    browser.click("Edit…").await;
    browser.fill("Body, revision 1", &order(order_id, "Grace Hopper")).await;
    browser.click("Check").await;
    browser.sees("Replayed now it would be: accepted.").await;
    browser.fill("Why", "The shop rounds prices since Tuesday").await;
    browser.click("Save").await;
    browser.sees("Revision 2 is saved.").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn an_operator_repairs_and_replays_a_dead_letter() {
    let site = Site::with_a_dead_letter("GS-9").await;
    let browser = site.operator().await;
    browser.click("Dead letters").await;
    browser.sees("must have at most … decimals").await;
    browser.click("1").await;
    browser.sees("g…@example.com").await;

    mend(&browser, "GS-9").await;
    browser.sees("+      \"price_per_unit\": \"12.50\"").await;
    browser.click("Replay…").await;
    browser.click("Replay dead letter 1").await;

    browser.sees("1 of 1").await;
    browser.sees("accepted").await;
    browser.open("/dead-letters/1").await;
    browser.sees("replay by ada").await;
    browser.click("GS-9").await;
    browser.sees("PlaceOrder by message cart-1").await;
    browser.assert_no_complaints().await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn a_group_is_replayed_and_the_page_follows_it_by_itself() {
    let site = Site::with_early_cancellations(6).await;
    let browser = site.operator().await;
    browser.open("/dead-letters").await;
    browser.click("Dry run").await;
    browser.sees("6 of 6").await;

    browser.click("Replay them…").await;
    browser.fill("Pace: the sizes of the steps", "one by one").await;
    browser.click("Replay 6 dead letters").await;

    browser.sees("6 of 6").await;
    browser.sees("done").await;
    let env = &site.env;
    let cancelled = "orders where status = 6 and version = 2";
    assert_eq!(env.count(cancelled).await, 6);
    browser.assert_no_complaints().await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn a_dead_letter_is_repaired_and_replayed_without_script() {
    let site = Site::with_a_dead_letter("GS-9").await;
    let browser = site.stranger().await;
    browser.without_script().await;
    browser.sign_in(site.operator_token()).await;
    browser.open("/dead-letters/1").await;

    browser.click("Show").await;
    browser.sees("grace@example.com").await;
    mend(&browser, "GS-9").await;
    browser.click("Replay…").await;
    browser.click("Replay dead letter 1").await;

    browser.sees("1 of 1").await;
    browser.sees("done").await;
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

/// Leads to each page that is not the answer to an address.
const STEPS: [(&str, &str); 4] = [
    ("/dead-letters/1", "Dry run"),
    ("/dead-letters/1", "Edit…"),
    ("/dead-letters/1", "Replay…"),
    ("/dead-letters/1", "Discard…"),
];

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn every_text_about_dead_letters_stands_out_and_fits_on_a_phone() {
    let long = "long-order-id-".repeat(4);
    let site = Site::with_a_dead_letter(&long).await;
    let browser = site.operator().await;
    browser.open("/dead-letters").await;
    browser.click("Dry run").await;
    browser.sees("1 of 1").await;
    browser.resize(360, 740, true).await;
    let steps = PAGES.into_iter().map(|path| (path, None));
    for (path, button) in steps.chain(STEPS.into_iter().map(|(path, name)| (path, Some(name)))) {
        for dark in [false, true] {
            browser.in_the_dark(dark).await;
            browser.open(path).await;
            if let Some(button) = button {
                browser.follow(button).await;
            }
            assert_eq!(browser.run(FAINT).await, json!([]), "{path} {button:?}, dark: {dark}");
            let width = browser.run("return document.documentElement.scrollWidth").await;
            assert_eq!(width, json!(360), "{path} {button:?}");
        }
    }
    drop(browser);
    site.close().await;
}
