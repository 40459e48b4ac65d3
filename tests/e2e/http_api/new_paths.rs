//! The paths for new clients, where they differ from the store's.

use serde_json::json;

use super::client::Request;
use super::here::{Here, cart, order};

#[tokio::test]
async fn a_new_order_is_told_with_its_path() {
    let here = Here::new().await;
    let mut named = order("a/b ü?");
    named["order_customer"]["name"] = "<b>Ada</b>".into();

    let numbered = here.place(&cart());
    let placed = here.place(&named);

    assert_eq!(numbered.header("location"), Some("/api/orders/1000001"));
    assert_eq!(placed.json(), json!({ "order_id": "a/b ü?" }));
    let shown = here.get(placed.header("location").unwrap()).json();
    assert_eq!(shown["order_id"], "a/b ü?");
    assert_eq!(shown["order_customer"]["name"], "<b>Ada</b>");
}

#[tokio::test]
async fn an_order_is_shown_with_its_history() {
    let here = Here::new().await;
    here.place(&order("7"));
    here.set_status("7", "Shipping");

    let shown = here.get("/api/orders/7").json();

    assert_eq!((&shown["status"], &shown["version"]), (&json!("Shipping"), &json!(2)));
    assert_eq!(shown["total"], "25.00");
    let [placed, moved] = &shown["history"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!((&placed["previous_status"], &placed["status"]), (&json!(null), &json!("Received")));
    assert_eq!(moved["previous_status"], "Received");
    assert_eq!(here.get("/api/orders/8").problem().0, 404);
}

#[tokio::test]
async fn an_order_moves_on_only_from_where_it_is_expected() {
    let here = Here::new().await;
    here.place(&order("7"));
    let next = Request::post("/api/orders/7/next").json(json!({ "from": "Received" }));

    assert_eq!(here.send(&next).status, 204);
    assert_eq!(here.send(&next).problem(), (400, "OrderMovedOn".to_owned()));
    assert_eq!(here.status_of("7"), "Processing");
}

#[tokio::test]
async fn a_move_without_a_body_takes_what_it_needs_from_the_path() {
    let here = Here::new().await;
    here.place(&order("7"));

    assert_eq!(here.post("/api/orders/7/next").status, 204);
    assert_eq!(here.post("/api/orders/7/status").fault(), (400, "status".to_owned()));
    assert_eq!(here.post("/api/orders/7/cancel").problem().0, 400);
    assert_eq!(here.post("/api/orders/8/cancel").problem(), (404, "order_not_found".to_owned()));
}

#[tokio::test]
async fn an_answer_about_customers_is_kept_by_nobody() {
    let here = Here::new().await;
    here.place(&order("7"));
    for path in ["/api/orders", "/api/orders/7", "/api/customer/14/orders/get/"] {
        assert_eq!(here.get(path).header("cache-control"), Some("no-store"), "{path}");
    }
}
