//! Contrast and small screens.

use serde_json::json;

use super::site::{Site, order};
use crate::test_env::TestEnv;

/// A script that lists texts with too little contrast.
pub const LOW_CONTRAST: &str = include_str!("low_contrast.js");

const PAGES: [&str; 8] = [
    "/",
    "/orders",
    "/order?id=14",
    "/order/cancel?id=14",
    "/events",
    "/settings",
    "/doctor",
    "/orders?from=yesterday",
];

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn all_texts_have_contrast_in_light_and_dark_mode() {
    let site = Site::with_an_order("14").await;
    let browser = site.operator().await;
    for dark in [false, true] {
        browser.set_dark_mode(dark).await;
        for path in PAGES {
            browser.open(path).await;
            assert_eq!(browser.run_script(LOW_CONTRAST).await, json!([]), "{path}, dark: {dark}");
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
        let width = browser.run_script("return document.documentElement.scrollWidth").await;
        assert_eq!(width, json!(360), "{path}");
    }
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn partitions_fit_on_a_phone() {
    let site = Site::at(|| async { TestEnv::collecting().await.with("PARTITIONS", "12") }).await;
    site.send("order.place", "cart-1", &order("14", "Grace Hopper")).await;
    site.has("orders where order_id = '14'").await;
    let browser = site.operator().await;
    browser.resize(360, 740, true).await;

    browser.open("/").await;
    browser.wait_for("active here").await;

    let width = browser.run_script("return document.documentElement.scrollWidth").await;
    assert_eq!(width, json!(360));
    assert_eq!(browser.run_script(LOW_CONTRAST).await, json!([]));
    drop(browser);
    site.close().await;
}
