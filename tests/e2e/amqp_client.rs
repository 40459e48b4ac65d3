//! An AMQP client that publishes single commands and reads queues.

use std::ops::Range;
use std::time::Duration;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::test_env::{TestEnv, eventually, variable};

/// A message that was read from a queue.
#[derive(Debug)]
pub struct ReceivedMessage {
    pub routing_key: String,
    pub properties: BasicProperties,
    pub body: Vec<u8>,
}

impl ReceivedMessage {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header as text.
    ///
    /// # Panics
    /// When the header is missing, or neither text nor an integer.
    pub fn header(&self, name: &str) -> String {
        let headers = self.properties.headers().as_ref().unwrap();
        match headers.inner().get(name).unwrap_or_else(|| panic!("no header {name}: {headers:?}")) {
            lapin::types::AMQPValue::LongString(text) => text.to_string(),
            lapin::types::AMQPValue::LongLongInt(number) => number.to_string(),
            other => panic!("header {name} is {other:?}"),
        }
    }
}

/// A direct connection to the broker, not through a [`TcpProxy`](crate::tcp_proxy::TcpProxy).
pub struct AmqpClient {
    connection: Connection,
    channel: Channel,
    commands_exchange: String,
}

impl AmqpClient {
    pub async fn on(env: &TestEnv) -> Self {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&variable("AMQP_URL"), properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let commands_exchange = env.name_of("COMMANDS_EXCHANGE");
        Self { connection, channel, commands_exchange }
    }

    /// Publishes a command and waits for its confirm.
    pub async fn send(&self, routing_key: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let exchange = self.commands_exchange.as_str().into();
        let sent =
            self.channel.basic_publish(exchange, routing_key.into(), options, body, properties);
        let confirmation = sent.await.unwrap().await.unwrap();
        assert!(confirmation.is_ack() && confirmation.take_message().is_none(), "not routed");
    }

    /// Ready messages in a queue, without the unacknowledged ones.
    pub async fn depth(&self, queue: &str) -> usize {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        queue.unwrap().message_count().try_into().unwrap()
    }

    /// Waits until a queue has this many ready messages.
    pub async fn wait_for_depth(&self, queue: &str, count: usize) {
        let what = format!("{count} messages in {queue}");
        eventually(&what, || async { self.depth(queue).await == count }).await;
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Declares an exclusive queue for replies; the broker deletes it with this connection.
    pub async fn queue_for_replies(&self) -> String {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare("".into(), options, FieldTable::default()).await;
        queue.unwrap().name().as_str().to_owned()
    }

    /// Waits for the next message of a queue.
    pub async fn next_of(&self, queue: &str) -> ReceivedMessage {
        let got = async {
            loop {
                let got = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true });
                if let Some(message) = got.await.unwrap() {
                    return message.delivery;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let delivery = timeout(Duration::from_secs(60), got).await.expect("a message within 60 s");
        ReceivedMessage {
            routing_key: delivery.routing_key.as_str().to_owned(),
            properties: delivery.properties,
            body: delivery.data,
        }
    }
}

/// The body of a `PlaceOrder` command.
pub fn place(order_id: &str) -> String {
    json!({
        "order_id": order_id,
        "order_customer": {"customer_id": 14, "name": "Grace Hopper", "email": "grace@example.com"},
        "items": [{"product_id": 1, "name": "Chess", "quantity": 2, "price_per_unit": "12.50"}],
    })
    .to_string()
}

/// The body of a `PlaceOrder` command to which the worker assigns the order id.
pub fn place_without_id() -> String {
    let mut body: Value = serde_json::from_str(&place("?")).unwrap();
    body.as_object_mut().unwrap().remove("order_id");
    body.to_string()
}

/// The bodies of `PlaceOrder` commands for these order ids.
pub fn orders(order_ids: Range<usize>) -> Vec<String> {
    order_ids.map(|order_id| place(&order_id.to_string())).collect()
}

/// The same command with an unknown field of this many bytes.
pub fn padded(command: &str, bytes: usize) -> String {
    command.replacen('{', &format!("{{\"padding\": \"{}\",", "x".repeat(bytes)), 1)
}

/// Publishes orders and waits for all confirms.
pub async fn publish_orders(env: &TestEnv, orders: &[String]) {
    let amqp = AmqpClient::on(env).await;
    for body in orders {
        amqp.send("order.place", body.as_bytes(), BasicProperties::default()).await;
    }
}
