//! The decoder: what it accepts, what it rejects, and with which error.

mod accepted;
mod arbitrary_input;
mod envelope;
mod examples;
mod invalid;
mod schema_agreement;

use order_worker::domain::{
    CancelOrder, Command, CommandKind, Customer, CustomerId, Email, Item, Money, Name, OrderId,
    PlaceOrder, ProductId, Quantity, Reason, SetNextStatus, SetStatus, Status,
};
use order_worker::messages::{
    DeadLetterCode, Envelope, HeaderValue, IdempotencyKey, Message, Properties,
};
use order_worker::service_layer::decode::{Decoded, Deviations, MAX_BODY_BYTES, decode};

pub const THE_STORES_ORDER: &str = r#"
{"items": [{"name": "Prod 001", "price_per_unit": 10, "product_id": 1, "quantity": 2},
           {"name": "Prod 002", "price_per_unit": 12, "product_id": 2, "quantity": 2}],
 "order_customer": {"customer_id": 14, "email": "test@test.com", "name": "Test User"},
 "order_id": 1, "status": 4, "total": "190.00"}
"#;

/// The raw JSON of every field of an order, and where it stands.
const FIELDS: [(&str, &str); 9] = [
    ("order_id", "7"),
    ("order_customer.customer_id", "14"),
    ("order_customer.name", r#""Ada Lovelace""#),
    ("order_customer.email", r#""ada@example.org""#),
    ("items[0].product_id", r#""hades-2""#),
    ("items[0].name", r#""Hades II""#),
    ("items[0].quantity", "2"),
    ("items[0].price_per_unit", "12.50"),
    ("total", "25.00"),
];

/// A good order, but for one field that is written as `raw`.
fn order_with(field: &str, raw: &str) -> String {
    let value = |name: &str| match FIELDS.iter().find(|(known, _)| *known == name) {
        Some(_) if name == field => raw,
        Some((_, usual)) => usual,
        None => panic!("{name} is no field"),
    };
    assert!(!value(field).is_empty());
    format!(
        r#"{{"order_id": {}, "order_customer": {{"customer_id": {}, "name": {}, "email": {}}},
            "items": [{{"product_id": {}, "name": {}, "quantity": {}, "price_per_unit": {}}}],
            "total": {}}}"#,
        value("order_id"),
        value("order_customer.customer_id"),
        value("order_customer.name"),
        value("order_customer.email"),
        value("items[0].product_id"),
        value("items[0].name"),
        value("items[0].quantity"),
        value("items[0].price_per_unit"),
        value("total"),
    )
}

/// A good order.
fn an_order() -> String {
    order_with("order_id", "7")
}

pub fn envelope(routing_key: &str, body: impl Into<Vec<u8>>) -> Envelope {
    Envelope {
        exchange: "orders.commands".to_owned(),
        routing_key: routing_key.to_owned(),
        properties: Properties::default(),
        body: body.into(),
        ..Envelope::default()
    }
}

fn decoded(routing_key: &str, body: impl Into<Vec<u8>>) -> Decoded {
    decode(&envelope(routing_key, body))
}

fn message(routing_key: &str, body: &str) -> Message {
    decoded(routing_key, body).result.unwrap_or_else(|dead| panic!("{dead}: {body}"))
}

fn placed(body: &str) -> PlaceOrder {
    match message("order.place", body).command {
        Command::PlaceOrder(order) => order,
        other => panic!("{other:?}"),
    }
}

/// The code and the detail of a refusal.
fn refusal(decoded: Decoded) -> (DeadLetterCode, String) {
    let dead = decoded.result.expect_err("taken, but should have been refused");
    assert!(dead.detail.len() <= 1024, "{} bytes of detail", dead.detail.len());
    (dead.code, dead.detail)
}

/// The refusal of an order.
fn refused(body: impl Into<Vec<u8>>) -> (DeadLetterCode, String) {
    refusal(decoded("order.place", body))
}

fn with_properties(properties: Properties, body: &str) -> Decoded {
    decode(&Envelope { properties, ..envelope("order.place", body) })
}

#[expect(clippy::unnecessary_wraps, reason = "what properties are made of")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn order_of_items(items: &str) -> String {
    format!(
        r#"{{"order_id": 7, "order_customer": {{"customer_id": 1, "name": "", "email": ""}},
            "items": [{items}]}}"#
    )
}
