//! A worker on real servers, with tokens for its console.

use lapin::BasicProperties;
use order_worker::entrypoints::http::auth::{Role, Token};

use tokio::sync::{Mutex, MutexGuard};

use super::browser::Browser;
use crate::amqp_client::AmqpClient;
use crate::test_env::{TestEnv, Worker, eventually};

/// One browser test at a time, to limit the load.
static TURN: Mutex<()> = Mutex::const_new(());

/// A worker with a console, an operator ada and a viewer bob.
pub struct Site {
    pub env: TestEnv,
    pub amqp: AmqpClient,
    worker: Worker,
    address: String,
    operator: String,
    viewer: String,
    _turn: MutexGuard<'static, ()>,
}

impl Site {
    pub async fn open() -> Self {
        Self::at(TestEnv::collecting).await
    }

    /// In another environment.
    pub async fn at<F: Future<Output = TestEnv>>(env: impl FnOnce() -> F) -> Self {
        let turn = TURN.lock().await;
        let env = env().await;
        let token = |name, role| Token::new(name, role).unwrap();
        let (ada, bob) = (token("ada", Role::Operator), token("bob", Role::Viewer));
        let lines = format!("{}\n{}", ada.line, bob.line);
        let options = ["--http-addr", "127.0.0.1:0", "--http-tokens", &lines];
        let worker = env.start_worker_with(&options).await;
        let log = worker.log();
        let (_, address) = log.split_once("The console is at ").expect("the address is logged");
        let address = address.split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        let amqp = AmqpClient::on(&env).await;
        let (operator, viewer) = (ada.secret, bob.secret);
        Self { env, amqp, worker, address, operator, viewer, _turn: turn }
    }

    /// With an order whose customer name contains markup.
    pub async fn with_an_order(order_id: &str) -> Self {
        let site = Self::open().await;
        site.send("order.place", "cart-1", &order(order_id, "<b>Grace</b> Hopper")).await;
        site.has(&format!("orders where order_id = '{order_id}'")).await;
        site
    }

    pub async fn send(&self, routing_key: &str, message_id: &str, body: &str) {
        let properties = BasicProperties::default().with_message_id(message_id.into());
        self.amqp.send(routing_key, body.as_bytes(), properties).await;
    }

    /// Waits until such a row exists.
    pub async fn has(&self, row: &str) {
        let env = &self.env;
        eventually(row, || async { env.count(row).await > 0 }).await;
    }

    pub async fn operator(&self) -> Browser {
        self.signed_in(&self.operator).await
    }

    pub async fn viewer(&self) -> Browser {
        self.signed_in(&self.viewer).await
    }

    /// A browser without a session.
    pub async fn new_browser(&self) -> Browser {
        Browser::at(&self.address).await
    }

    pub fn operator_token(&self) -> &str {
        &self.operator
    }

    async fn signed_in(&self, token: &str) -> Browser {
        let browser = self.new_browser().await;
        browser.sign_in(token).await;
        browser
    }

    /// Asserts that the worker stops cleanly, even with open pages.
    pub async fn close(self) {
        self.worker.stop().await;
        self.env.remove().await;
    }
}

/// A place command; the customer id is the length of the name.
pub fn order(order_id: &str, name: &str) -> String {
    serde_json::json!({
        "order_id": order_id,
        "order_customer": {"customer_id": name.len(), "name": name, "email": "grace@example.com"},
        "items": [
            {"product_id": "chess", "name": "Chess, travel size", "quantity": 2, "price_per_unit": "12.50"},
            {"product_id": "go-13", "name": "Go, 13 × 13", "quantity": 1, "price_per_unit": "39.90"},
        ],
        "total": "59.90",
    })
    .to_string()
}
