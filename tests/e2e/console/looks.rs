//! Whether everything can be read, on whatever screen.

use serde_json::json;

use super::site::Site;

/// Lists texts that stand out too little from what is behind them.
pub const FAINT: &str = include_str!("faint.js");

const PAGES: [&str; 7] = [
    "/",
    "/orders",
    "/order?id=14",
    "/order/cancel?id=14",
    "/events",
    "/settings",
    "/orders?from=yesterday",
];

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn every_text_stands_out_in_light_and_in_dark() {
    let site = Site::with_an_order("14").await;
    let browser = site.operator().await;
    for dark in [false, true] {
        browser.in_the_dark(dark).await;
        for path in PAGES {
            browser.open(path).await;
            assert_eq!(browser.run(FAINT).await, json!([]), "{path}, dark: {dark}");
        }
    }
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn no_page_is_wider_than_a_phone() {
    let site = Site::with_an_order(&"long-order-id-".repeat(4)).await;
    let browser = site.operator().await;
    browser.resize(360, 740, true).await;
    let order = format!("/order?id={}", "long-order-id-".repeat(4));
    for path in PAGES.iter().filter(|path| !path.contains("id=14")).chain([&order.as_str()]) {
        browser.open(path).await;
        let width = browser.run("return document.documentElement.scrollWidth").await;
        assert_eq!(width, json!(360), "{path}");
    }
    drop(browser);
    site.close().await;
}
