//! A worker with SQLite and the in-process broker: such tests need no servers.

use std::fs::File;
use std::ops::Deref;
use std::process::{Child, Stdio};

use order_worker::entrypoints::http::auth::{Role, Token};
use serde_json::{Value, json};

use super::client::{Client, Request, Response};
use crate::test_env::{eventually, program};

/// Killed when dropped.
pub struct TestWorker {
    process: Child,
    client: Client,
    _folder: tempfile::TempDir,
}

impl TestWorker {
    pub async fn new() -> Self {
        Self::with_tokens(&[]).await
    }

    pub async fn with_tokens(tokens: &[&Token]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let lines: Vec<&str> = tokens.iter().map(|token| token.line.as_str()).collect();
        let mut command = program(&["run", "--http-addr=127.0.0.1:0"], folder.path());
        command.env("HTTP_TOKENS", lines.join(" "));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let process = command.spawn().unwrap();
        let client = || Client::of_log(&std::fs::read_to_string(&log).unwrap());
        eventually("the worker logs its address", || async { client().is_some() }).await;
        Self { process, client: client().unwrap(), _folder: folder }
    }
}

impl Deref for TestWorker {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for TestWorker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn token(role: Role) -> Token {
    Token::new(role.as_str(), role).unwrap()
}

/// A cart as the store sends it; tests change single fields.
pub fn cart() -> Value {
    json!({
        "items": [{"name": "Chess", "price_per_unit": "12.50", "product_id": 1, "quantity": 2}],
        "order_customer": {"customer_id": 14, "name": "Ada", "email": "ada@shop.example"},
        "total": "25.00",
    })
}

/// The same with an id.
pub fn order(order_id: impl Into<Value>) -> Value {
    let mut order = cart();
    order["order_id"] = order_id.into();
    order
}

impl Client {
    /// Places an order that must be accepted.
    pub fn place(&self, order: &Value) -> Response {
        let placed = self.send(&Request::post("/api/orders").json(order));
        assert_eq!(placed.status, 201, "{placed:?}");
        placed
    }

    /// Moves an order, which must be accepted.
    pub fn set_status(&self, order_id: &str, status: &str) {
        let path = format!("/api/orders/{order_id}/status");
        let moved = self.send(&Request::post(&path).json(json!({ "status": status })));
        assert_eq!(moved.status, 204, "{moved:?}");
    }

    pub fn status_of(&self, order_id: &str) -> String {
        let order = self.get(&format!("/api/orders/{order_id}")).json();
        order["status"].as_str().unwrap().to_owned()
    }
}
