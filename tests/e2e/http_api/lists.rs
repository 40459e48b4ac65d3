//! Pages of orders.

use serde_json::Value;

use super::client::Client;
use super::test_worker::{TestWorker, order};

#[tokio::test]
async fn the_filters_combine() {
    let worker = stocked().await;

    assert_eq!(ids(&worker, ""), ["6", "5", "4", "3", "2", "1"]);
    assert_eq!(ids(&worker, "?customer=Ada"), ["5", "3", "1"]);
    assert_eq!(ids(&worker, "?customer=Bob"), ["4", "2", "6"]);
    assert_eq!(ids(&worker, "?customer=Bob&incomplete=true"), ["4", "2"]);
    assert_eq!(ids(&worker, "?incomplete=true"), ["5", "4", "3", "2", "1"]);
    assert_eq!(ids(&worker, "?incomplete=false&customer=Bob"), ["4", "2", "6"]);
    assert_eq!(ids(&worker, "?status=Received"), ["5", "4", "3", "1"]);
    assert_eq!(ids(&worker, "?status=4"), ["2"]);
    assert_eq!(ids(&worker, "?status=payment_complete"), [""; 0]);
    assert_eq!(ids(&worker, "?customer=Ada&status=1"), ["5", "3", "1"]);
    assert_eq!(ids(&worker, "?customer=nobody"), [""; 0]);
}

#[tokio::test]
async fn a_period_includes_both_its_ends() {
    let worker = stocked().await;
    let listed = worker.get("/api/orders").json();
    let moment = |place: usize| listed["orders"][place]["created_at"].as_str().unwrap().to_owned();
    let (from, until) = (moment(3), moment(1));

    assert_eq!(ids(&worker, &format!("?from={from}&until={until}")), ["5", "4", "3"]);
    assert_eq!(ids(&worker, &format!("?from={from}&customer=Ada")), ["5", "3"]);
    assert_eq!(ids(&worker, &format!("?until={from}")), ["3", "2", "1"]);
    assert_eq!(ids(&worker, "?until=2000-01-01"), [""; 0]);
    let day = &from[..10];
    assert!(ids(&worker, &format!("?from={day}")).len() >= 4, "a day counts from its beginning");
}

#[tokio::test]
async fn pages_together_give_each_order_once() {
    let worker = stocked().await;
    for query in ["", "customer=Ada&", "incomplete=true&", "customer=Bob&incomplete=true&"] {
        for limit in 1..=3 {
            let whole = ids(&worker, &format!("?{query}"));
            let mut pages = Vec::new();
            let mut after = String::new();
            loop {
                let page = worker.get(&format!("/api/orders?{query}limit={limit}{after}")).json();
                assert!(ids_in(&page).len() <= limit);
                pages.extend(ids_in(&page));
                let Some(next) = page["next"].as_str() else { break };
                after = format!("&after={next}");
                // A new order is newer than all those on the remaining pages.
                worker.place(&order(format!("{query}{limit}{}", pages.len())));
            }
            assert_eq!(pages, whole, "{limit} of {query:?}");
        }
    }
}

#[tokio::test]
async fn next_is_null_on_a_last_page_that_is_full() {
    let worker = stocked().await;

    let page = worker.get("/api/orders?limit=6").json();
    let first = worker.get("/api/orders?limit=5").json();

    assert_eq!(page["next"], Value::Null);
    assert!(first["next"].is_string());
}

#[tokio::test]
async fn an_invalid_parameter_is_named() {
    let worker = TestWorker::new().await;
    for (query, field) in [
        ("custmer=14", "custmer"),
        ("customer=", "customer"),
        ("status=Paid", "status"),
        ("incomplete=yes", "incomplete"),
        ("incomplete=true&status=1", "incomplete"),
        ("from=yesterday", "from"),
        ("until=20.11.2026", "until"),
        ("from=2026-11-21&until=2026-11-20", "until"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("after=14", "after"),
        ("customer=1&customer=2", "customer"),
        ("=", ""),
    ] {
        let refused = worker.get(&format!("/api/orders?{query}"));
        assert_eq!(refused.invalid_field(), (400, field.to_owned()), "{query}");
    }
    assert_eq!(worker.get("/api/orders?limit=500&customer=%FF").status, 200);
}

/// Six orders, one after the other, for Ada and Bob in turn; 2 is Shipping, 6 Completed.
async fn stocked() -> TestWorker {
    let worker = TestWorker::new().await;
    for (order_id, customer) in (1..=6).zip(["Ada", "Bob"].into_iter().cycle()) {
        let mut order = order(order_id);
        order["order_customer"]["customer_id"] = customer.into();
        worker.place(&order);
    }
    worker.set_status("2", "Shipping");
    worker.set_status("6", "Completed");
    worker
}

fn ids(client: &Client, query: &str) -> Vec<String> {
    ids_in(&client.get(&format!("/api/orders{query}")).json())
}

fn ids_in(page: &Value) -> Vec<String> {
    let orders = page["orders"].as_array().unwrap();
    orders.iter().map(|order| order["order_id"].as_str().unwrap().to_owned()).collect()
}
