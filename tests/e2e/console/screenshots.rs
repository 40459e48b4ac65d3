//! Screenshots of the console for the documentation, with reproducible data.

use std::fs;
use std::path::{Path, PathBuf};

use super::browser::Browser;
use super::site::{Site, order};

/// Replaces times, ids and addresses by fixed ones.
const NORMALIZE: &str = "
    const times = [...document.querySelectorAll('main time')];
    const moments = [...new Set(times.map((time) => time.dateTime))].sort();
    for (const time of times) {
      const minute = String(2 * moments.indexOf(time.dateTime) + 10);
      time.textContent = `2026-11-20 03:${minute}:27`;
    }
    for (const code of document.querySelectorAll('main code')) {
      code.textContent = code.textContent
        .replace(/[0-9a-f-]{36}$/, '019aa2c4-6f1e-7b52-9d0e-3c5a8f7e2b41')
        .replace(/127\\.0\\.0\\.1:\\d+/, '127.0.0.1:8080');
    }
    document.querySelectorAll('pre:not(.diff)').forEach((pre) => {
      pre.textContent = pre.textContent.replace(/127\\.0\\.0\\.1:\\d+/, '127.0.0.1:8080');
    });
    const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode;
      text.textContent = text.textContent.replace(/test_[0-9a-f]{32}\\./g, 'orders.');
    }";

/// Saves them to the folder in ORDER_WORKER_TEST_SCREENSHOTS, which `make screenshots` sets.
#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make screenshots"]
async fn screenshots_of_the_console() {
    let Some(folder) = &folder() else { return };
    let site = Site::open().await;
    let browser = site.operator().await;
    take(&browser, folder, "welcome").await;
    place_orders(&site).await;
    browser.open("/events").await;
    browser.wait_for("Live").await;
    move_orders(&site).await;
    browser.wait_for("OrderAlreadyCancelled").await;
    take(&browser, folder, "events").await;
    for (name, path) in [("orders", "/orders"), ("order", "/order?id=GS-1002")] {
        browser.open(path).await;
        take(&browser, folder, name).await;
    }
    browser.click("Move to Shipping").await;
    browser.wait_for("The order is now Shipping.").await;
    browser.set_dark_mode(true).await;
    browser.open("/order?id=GS-1002").await;
    take(&browser, folder, "order-dark").await;
    browser.resize(360, 740, true).await;
    browser.open("/order?id=GS-1002").await;
    take(&browser, folder, "order-phone").await;
    drop(browser);
    site.close().await;
}

/// The folder, if it is set.
#[expect(clippy::disallowed_methods, reason = "not a setting of the worker")]
pub fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var("ORDER_WORKER_TEST_SCREENSHOTS").ok()?);
    fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

pub async fn take(browser: &Browser, folder: &Path, name: &str) {
    browser.run_script(NORMALIZE).await;
    fs::write(folder.join(format!("{name}.png")), browser.screenshot().await).unwrap();
}

async fn place_orders(site: &Site) {
    for (order_id, name) in [
        ("GS-1001", "Ada Lovelace"),
        ("GS-1002", "Grace Hopper"),
        ("GS-1003", "José Núñez"),
        ("GS-1004", "Katherine Johnson"),
        ("GS-1005", "Mary Jackson"),
    ] {
        site.send("order.place", order_id, &order(order_id, name)).await;
        site.has(&format!("orders where order_id = '{order_id}'")).await;
    }
}

async fn move_orders(site: &Site) {
    for (key, message_id, body) in [
        ("order.set_next_status", "payment-551", r#"{"order_id": "GS-1002", "from": "Received"}"#),
        ("order.set_next_status", "payment-552", r#"{"order_id": "GS-1003", "from": "Received"}"#),
        ("order.cancel", "desk-12", r#"{"order_id": "GS-1004", "reason": "Bought twice"}"#),
        ("order.set_next_status", "paid-551", r#"{"order_id": "GS-1002", "from": "Processing"}"#),
        ("order.set_status", "desk-13", r#"{"order_id": "GS-1001", "status": "Completed"}"#),
        ("order.cancel", "desk-14", r#"{"order_id": "GS-1004"}"#),
    ] {
        site.send(key, message_id, body).await;
        site.has(&format!("handled_messages where message_id = '{message_id}'")).await;
    }
}
