//! The commands of a run, and the state that they must lead to, by a small model.

use std::collections::HashMap;

use fastrand::Rng;
use order_worker::messages::{Properties, Publication, Target};
use serde_json::{Value, json};
use uuid::Builder;

/// Which commands to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Orders of 1 to 5 items.
    Placing,
    /// 70 % PlaceOrder, 20 % SetNextStatus, 5 % SetStatus, 3 % CancelOrder, 1 % duplicates, 1 %
    /// malformed.
    Usual,
}

/// Commands in the order of sending.
#[derive(Debug, Clone)]
pub struct Workload {
    pub commands: Vec<Publication>,
    pub expected: Expected,
}

/// The expected state after a run.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    pub orders: HashMap<String, ExpectedOrder>,
    pub items: usize,
    /// Events of changes: the sum of all versions.
    pub changes: usize,
    pub rejections: usize,
    /// Rows in the inbox.
    pub handled: usize,
    pub dead_letters: usize,
}

/// The expected status code and version of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedOrder {
    pub status: i16,
    pub version: i32,
}

const RECEIVED: i16 = 1;
const COMPLETED: i16 = 5;
const CANCELLED: i16 = 6;

impl ExpectedOrder {
    fn is_final(self) -> bool {
        [COMPLETED, CANCELLED].contains(&self.status)
    }

    fn change_to(&mut self, status: i16) {
        self.status = status;
        self.version += 1;
    }
}

impl Expected {
    pub fn events(&self) -> usize {
        self.changes + self.rejections
    }

    /// The expected state after both runs, which have different orders.
    pub fn and(mut self, other: Self) -> Self {
        self.orders.extend(other.orders);
        Self {
            orders: self.orders,
            items: self.items + other.items,
            changes: self.changes + other.changes,
            rejections: self.rejections + other.rejections,
            handled: self.handled + other.handled,
            dead_letters: self.dead_letters + other.dead_letters,
        }
    }
}

/// Commands for orders numbered from `first_order`.
pub fn workload(mix: Mix, messages: usize, first_order: usize, seed: u64) -> Workload {
    let mut script = Script {
        rng: Rng::with_seed(seed),
        first_order,
        commands: Vec::with_capacity(messages),
        expected: Expected::default(),
    };
    while script.commands.len() < messages {
        match mix {
            Mix::Placing => script.place(),
            Mix::Usual => script.next_of_the_usual(),
        }
    }
    Workload { commands: script.commands, expected: script.expected }
}

struct Script {
    rng: Rng,
    first_order: usize,
    commands: Vec<Publication>,
    expected: Expected,
}

impl Script {
    fn next_of_the_usual(&mut self) {
        let share = self.rng.u32(..100);
        match share {
            _ if self.expected.orders.is_empty() => self.place(),
            0..70 => self.place(),
            70..90 => self.advance(),
            90..95 => self.set_status(),
            95..98 => self.cancel(),
            98 => self.repeat(),
            _ => self.malformed(),
        }
    }

    fn place(&mut self) {
        let order_id = (self.first_order + self.expected.orders.len()).to_string();
        let lines = self.rng.usize(1..=5);
        let body = order(&mut self.rng, &order_id, lines);
        self.send("place", "PlaceOrder", &body);
        self.expected.items += lines;
        self.expected.changes += 1;
        self.expected.orders.insert(order_id, ExpectedOrder { status: RECEIVED, version: 1 });
    }

    fn advance(&mut self) {
        let order_id = self.any_order();
        self.send("set_next_status", "SetNextStatus", &json!({ "order_id": order_id }));
        self.change(&order_id, |order| (!order.is_final()).then_some(order.status + 1));
    }

    fn set_status(&mut self) {
        let order_id = self.any_order();
        let status = self.rng.i16(2..=4);
        let body = json!({ "order_id": order_id, "status": status });
        self.send("set_status", "SetStatus", &body);
        self.change(&order_id, |order| (!order.is_final()).then_some(status));
    }

    fn cancel(&mut self) {
        let order_id = self.any_order();
        let body = json!({ "order_id": order_id, "reason": "changed my mind" });
        self.send("cancel", "CancelOrder", &body);
        self.change(&order_id, |order| (order.status == RECEIVED).then_some(CANCELLED));
    }

    /// Sends an earlier command again, as after a publisher's timeout.
    fn repeat(&mut self) {
        let earlier = self.rng.usize(..self.commands.len());
        let repeated = self.commands[earlier].clone();
        self.expected.dead_letters += usize::from(repeated.body == MALFORMED);
        self.commands.push(repeated);
    }

    fn malformed(&mut self) {
        let command = self.publication("place", "PlaceOrder", MALFORMED.to_vec());
        self.commands.push(command);
        self.expected.dead_letters += 1;
    }

    /// Records the effect of a command on an order; `None` means that a rule rejects it.
    fn change(&mut self, order_id: &str, status: impl FnOnce(&ExpectedOrder) -> Option<i16>) {
        let Some(order) = self.expected.orders.get_mut(order_id) else { return };
        match status(order) {
            None => self.expected.rejections += 1,
            Some(status) if status == order.status => {}
            Some(status) => {
                order.change_to(status);
                self.expected.changes += 1;
            }
        }
    }

    fn any_order(&mut self) -> String {
        let placed = self.rng.usize(..self.expected.orders.len());
        (self.first_order + placed).to_string()
    }

    fn send(&mut self, word: &str, kind: &str, body: &Value) {
        let command = self.publication(word, kind, body.to_string().into_bytes());
        self.commands.push(command);
        self.expected.handled += 1;
    }

    /// Message ids are random, as those of publishers: the worst case for an index.
    fn publication(&mut self, word: &str, kind: &str, body: Vec<u8>) -> Publication {
        let message_id = Builder::from_random_bytes(self.rng.u128(..).to_be_bytes()).into_uuid();
        Publication {
            target: Target::Commands { routing_key: format!("order.{word}") },
            properties: Properties {
                content_type: Some("application/json".to_owned()),
                message_id: Some(message_id.to_string()),
                kind: Some(kind.to_owned()),
                app_id: Some("shop".to_owned()),
                ..Properties::default()
            },
            body,
        }
    }
}

const MALFORMED: &[u8] = b"{\"order_id\": 7, \"items\": [";

fn order(rng: &mut Rng, order_id: &str, lines: usize) -> Value {
    let customer = rng.u32(1..=20_000);
    let mut cents = 0;
    let items: Vec<Value> = (0..lines)
        .map(|_| {
            let (product, quantity) = (rng.u32(1..=500), rng.u32(1..=3));
            let price = 499 + product * 10;
            cents += price * quantity;
            json!({
                "product_id": product,
                "name": format!("Game No. {product}: The Return"),
                "quantity": quantity,
                "price_per_unit": amount(price),
            })
        })
        .collect();
    json!({
        "order_id": order_id,
        "order_customer": {
            "customer_id": customer,
            "name": format!("Customer No. {customer}"),
            "email": format!("customer{customer}@example.com"),
        },
        "items": items,
        "total": amount(cents),
    })
}

fn amount(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
