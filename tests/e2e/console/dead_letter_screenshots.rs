//! Screenshots of dead letters for the documentation.

use lapin::BasicProperties;
use serde_json::Value;

use super::browser::Browser;
use super::screenshots::{folder, take};
use super::site::{Site, order};

/// Saves them to the folder of [`screenshots`](super::screenshots).
#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make screenshots"]
async fn screenshots_of_the_console_with_dead_letters() {
    let Some(folder) = &folder() else { return };
    let site = Site::open().await;
    send_failing_messages(&site).await;
    let browser = site.operator().await;
    browser.open("/dead-letters").await;
    take(&browser, folder, "dead-letters").await;
    fix(&browser).await;
    take(&browser, folder, "dead-letter-edit").await;
    browser.fill("Reason", "The shop has rounded prices since Tuesday").await;
    browser.click("Save").await;
    browser.wait_for("Revision 2 saved.").await;
    browser.resize(1200, 1500, false).await;
    browser.open("/dead-letters/1").await;
    take(&browser, folder, "dead-letter").await;
    browser.resize(1200, 900, false).await;
    replay(&site, &browser).await;
    take(&browser, folder, "dead-letter-replay").await;
    browser.set_dark_mode(true).await;
    browser.resize(360, 740, true).await;
    browser.open("/dead-letters/2").await;
    take(&browser, folder, "dead-letter-phone").await;
    drop(browser);
    site.close().await;
}

/// Creates dead letters 1 to 12, in order.
async fn send_failing_messages(site: &Site) {
    let place = |id: &str| order(id, "Grace Hopper");
    let mut messages = vec![
        ("order.place", "shop", place("GS-2001").replace("12.50", "12.505")),
        ("order.place", "shop", place("GS-2002").replace("},\"order_id", "}\"order_id")),
        ("order.place", "load-test", place("GS-2003").replace("\"quantity\":2", "\"quantity\":0")),
        ("order.refund", "desk", r#"{"order_id": "GS-1004"}"#.to_owned()),
    ];
    for number in 1..=8 {
        let body = format!(r#"{{"order_id": "GS-30{number:02}", "reason": "Bought twice"}}"#);
        messages.push(("order.cancel", "desk", body));
    }
    for (number, (routing_key, publisher, body)) in messages.into_iter().enumerate() {
        let properties = BasicProperties::default()
            .with_message_id(format!("{publisher}-{}", 551 + number).into())
            .with_app_id(publisher.into());
        site.amqp.send(routing_key, body.as_bytes(), properties).await;
        site.has(&format!("dead_letters where id = {}", number + 1)).await;
    }
}

async fn fix(browser: &Browser) {
    browser.open("/dead-letters/1").await;
    browser.click("Edit…").await;
    let body: Value = serde_json::from_str(&order("GS-2001", "Grace Hopper")).unwrap();
    let body = serde_json::to_string_pretty(&body).unwrap();
    browser.fill("Body, revision 1", &body).await;
    browser.click("Check").await;
    browser.wait_for("Dry run: accepted.").await;
}

/// Replays the cancellations. Six of the eight orders exist now.
async fn replay(site: &Site, browser: &Browser) {
    for number in 1..=6 {
        let id = format!("GS-30{number:02}");
        site.send("order.place", &id, &order(&id, "Ada Lovelace")).await;
        site.has(&format!("orders where order_id = '{id}'")).await;
    }
    browser.open("/dead-letters?code=order_not_found").await;
    browser.click("Replay…").await;
    browser.fill("Reason", "The orders exist now").await;
    browser.click("Replay 8 dead letters").await;
    browser.wait_for("8 of 8").await;
    browser.wait_for("done").await;
}
