//! A store's web site that is older than the worker: only its two settings point to the worker.

use std::path::Path;
use std::process::Command;

use order_worker::entrypoints::http::auth::{Role, Token};

use super::client::Client;
use super::test_worker::{TestWorker, token};
use crate::test_env::{printed, variable};

#[tokio::test]
#[ignore = "needs Python with Django: make test"]
async fn the_stores_site_places_a_cart_and_shows_the_orders() {
    let (store, operator) = (token(Role::Store), token(Role::Operator));
    let worker = TestWorker::with_tokens(&[&store, &operator]).await;

    let bought = visit(&worker, &store, &["buy", "Chess", "Chess", "Tom & Jerry's <Race>"]);

    assert!(bought.contains("We received your order! ORDER ID: 1000001"), "{bought}");
    assert!(bought.contains("nothing yet"), "the cart is empty again: {bought}");
    visit(&worker, &store, &["buy", "Bayonetta 3"]);
    worker.with_token(&operator.secret).set_status("1000001", "Payment complete");
    let shown = visit(&worker, &store, &["look"]);
    for line in [
        "Order ID: 1000002",
        "Status: Received",
        "<td>Bayonetta 3</td><td>1</td><td>$59.99</td>",
        "Total amount: 59.99",
        "Order ID: 1000001",
        "Status: Payment complete",
        "<td>Chess</td><td>2</td><td>$12.50</td>",
        "<td>Tom &amp; Jerry&#x27;s &lt;Race&gt;</td><td>1</td><td>$0.10</td>",
        "Total amount: 25.10",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert!(shown.find("1000002") < shown.find("1000001"), "by status, then newest first");
}

#[tokio::test]
#[ignore = "needs Python with Django: make test"]
async fn the_stores_site_shows_that_it_was_refused() {
    let (store, forged) = (token(Role::Store), token(Role::Store));
    let worker = TestWorker::with_tokens(&[&store]).await;

    let with_a_wrong_token = visit(&worker, &forged, &["buy", "Chess"]);
    let without_a_game = visit(&worker, &store, &["buy"]);
    let not_shown = visit(&worker, &forged, &["look"]);

    for page in [with_a_wrong_token, without_a_game] {
        assert!(page.contains("we could not receive your order"), "{page}");
    }
    assert!(not_shown.contains("we could not retrieve your orders"), "{not_shown}");
}

/// Performs a customer's actions and returns the resulting page.
fn visit(worker: &Client, token: &Token, actions: &[&str]) -> String {
    let site = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/clients/store_site");
    let mut command = Command::new(variable("ORDER_WORKER_TEST_PYTHON"));
    command.arg(Path::new(site).join("visit.py")).args(actions).current_dir(site);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("ORDER_SERVICE_BASEURL", format!("http://{}", worker.address));
    command.env("ORDER_SERVICE_AUTHTOKEN", &token.secret);
    // Not through a proxy that this machine may have.
    command.env("NO_PROXY", "127.0.0.1");
    printed(&command.output().unwrap())
}
