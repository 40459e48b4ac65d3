//! The pages during outages.

use super::site::{Site, order};
use crate::tcp_proxy::{TcpProxy, host_of};
use crate::test_env::{TestEnv, eventually, variable};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn events_come_back_after_an_outage_of_the_broker() {
    let broker = TcpProxy::to(host_of(&variable("AMQP_URL")));
    let site = Site::at(|| {
        let amqp_url = broker.url_for(&variable("AMQP_URL"));
        async move { TestEnv::at_addresses(&amqp_url, &variable("DATABASE_URL")).await }
    });
    let site = site.await;
    let browser = site.viewer().await;
    browser.open("/events").await;
    browser.wait_for("Live").await;

    broker.cut();
    browser.wait_for("Disconnected: ").await;
    broker.restore();
    browser.wait_for("Live").await;
    site.send("order.place", "cart-1", &order("14", "Grace Hopper")).await;

    browser.wait_for("placed for 59.90").await;
    drop(browser);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn every_page_shows_outages() {
    let database = TcpProxy::to(host_of(&variable("DATABASE_URL")));
    let site = Site::at(|| {
        let database_url = database.url_for(&variable("DATABASE_URL"));
        async move { TestEnv::at_addresses(&variable("AMQP_URL"), &database_url).await }
    });
    let site = site.await;
    let browser = site.viewer().await;

    database.cut();
    site.send("order.place", "cart-1", &order("14", "Grace Hopper")).await;

    eventually("the page shows the outage", || async {
        browser.open("/settings").await;
        browser.text().await.contains("Paused: database unavailable.")
    })
    .await;
    browser.open("/orders").await;
    browser.wait_for("Service Unavailable").await;
    database.restore();
    eventually("the order is listed", || async {
        browser.open("/orders").await;
        browser.text().await.contains("Grace Hopper")
    })
    .await;
    drop(browser);
    site.close().await;
}
