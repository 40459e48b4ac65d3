//! Builders for messages: a test states only what matters to it.

use std::hash::{DefaultHasher, Hash, Hasher};

use order_worker::domain::{
    CancelOrder, Command, Customer, CustomerId, Email, Item, MessageId, Money, Name, OrderId,
    PlaceOrder, ProductId, Quantity, SetNextStatus, SetStatus, Status,
};
use order_worker::messages::{BodyHash, IdempotencyKey, Message};

pub fn place(order_id: &str) -> Message {
    message(Command::PlaceOrder(PlaceOrder { order_id: Some(id(order_id)), ..some_order() }))
}

pub fn place_without_id() -> Message {
    message(Command::PlaceOrder(some_order()))
}

pub fn cancel(order_id: &str) -> Message {
    message(Command::CancelOrder(CancelOrder { order_id: id(order_id), reason: None }))
}

pub fn set_status(order_id: &str, status: Status) -> Message {
    message(Command::SetStatus(SetStatus { order_id: id(order_id), status }))
}

pub fn next_status(order_id: &str) -> Message {
    message(Command::SetNextStatus(SetNextStatus { order_id: id(order_id), from: None }))
}

/// An order of one item with quantity 2.
pub fn some_order() -> PlaceOrder {
    let item = Item {
        product_id: ProductId::new("1").unwrap(),
        name: Name::new("Bayonetta 3").unwrap(),
        quantity: Quantity::try_from(2).unwrap(),
        price_per_unit: money("95.00"),
    };
    PlaceOrder {
        order_id: None,
        customer: Customer {
            customer_id: CustomerId::new("2").unwrap(),
            name: Name::new("Ada").unwrap(),
            email: Email::new("ada@example.com").unwrap(),
        },
        items: vec![item].try_into().unwrap(),
        total: money("190.00"),
    }
}

pub fn id(order_id: &str) -> OrderId {
    OrderId::new(order_id).unwrap()
}

pub fn money(text: &str) -> Money {
    text.parse().unwrap()
}

/// Sets properties of a message.
pub trait With {
    fn with_id(self, message_id: &str) -> Self;
    fn with_reply_to(self, queue: &str) -> Self;
}

impl With for Message {
    fn with_id(mut self, message_id: &str) -> Self {
        let message_id = MessageId::new(message_id).unwrap();
        self.idempotency_key =
            Some(IdempotencyKey { message_id, body_hash: hash_of(&self.command) });
        self
    }

    fn with_reply_to(mut self, queue: &str) -> Self {
        self.reply_to = Some(queue.to_owned());
        self
    }
}

fn message(command: Command) -> Message {
    Message {
        command,
        idempotency_key: None,
        correlation_id: None,
        reply_to: None,
        traceparent: None,
    }
}

/// Equal for equal commands, as the real hash is for equal bodies.
fn hash_of(command: &Command) -> BodyHash {
    let mut hasher = DefaultHasher::new();
    format!("{command:?}").hash(&mut hasher);
    u128::from(hasher.finish()).to_be_bytes()
}
