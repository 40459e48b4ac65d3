//! The whole way of commands through the worker, with nothing but memory.

use std::sync::Arc;
use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use order_worker::adapters::clock::SystemClock;
use order_worker::adapters::in_process::{InProcessBroker, Submitted};
use order_worker::entrypoints::amqp::{self, ConsumerDeps, ConsumerSettings};
use order_worker::metrics::Metrics;
use order_worker::service_layer::{
    ByteBudget, ChannelEpoch, CommandSource, Delivery, DeliveryTag, Envelope, Health, InFlight,
    Properties,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::scrape;
use crate::scrape::Scrape;

/// The first of a source.
const CHANNEL: u32 = 1;

/// A worker on the in-process broker, with one lane, of which each message has two attempts.
pub struct Line {
    pub broker: InProcessBroker,
    pub database: InMemoryDatabase,
    pub health: Health,
}

impl Line {
    pub fn new() -> Self {
        let broker = InProcessBroker::new(vec![Duration::from_millis(1)]);
        Self { broker, database: InMemoryDatabase::new(), health: Health::default() }
    }

    pub fn metrics(&self) -> &Metrics {
        self.health.metrics()
    }

    /// Works all commands off, and says what was counted.
    pub async fn handles(&self, commands: &[Submitted]) -> Scrape {
        let stop = CancellationToken::new();
        let (source, source_ended) = self.broker.consume(1000, stop.clone());
        for command in commands {
            self.broker.submit(command.clone());
        }
        let until_done = async {
            self.broker.wait_until_open_at_most(0).await;
            stop.cancel();
        };
        tokio::join!(self.work_off(source), until_done);
        source_ended.await.unwrap();
        scrape(self.metrics())
    }

    /// The same for deliveries that come as they are.
    pub async fn takes(&self, given: Vec<Delivery>) -> Scrape {
        let (deliveries_in, deliveries) = mpsc::channel(given.len());
        let (settlements, _settled) = mpsc::unbounded_channel();
        let channel_epoch = ChannelEpoch::default();
        assert_eq!(channel_epoch.next(), CHANNEL);
        for delivery in given {
            deliveries_in.send(delivery).await.unwrap();
        }
        drop(deliveries_in);
        self.work_off(CommandSource { deliveries, settlements, channel_epoch }).await;
        scrape(self.metrics())
    }

    async fn work_off(&self, source: CommandSource) {
        let ground = ConsumerDeps {
            source,
            lanes: vec![(self.database.store(), vec![self.broker.publisher()])],
            republisher: self.broker.publisher(),
            reply_publisher: self.broker.publisher(),
            clock: Arc::new(SystemClock),
            health: self.health.clone(),
            in_flight: InFlight::default(),
        };
        let settings = ConsumerSettings {
            batch_max: 100,
            max_attempts: 2,
            keep_unroutable_events: false,
            reply_bytes: ByteBudget::new(1024 * 1024),
        };
        amqp::run(ground, settings, None).await.unwrap();
    }
}

pub fn delivery(command: Submitted, redelivered: bool) -> Delivery {
    let Submitted { routing_key, properties, body } = command;
    let tag = DeliveryTag { channel: CHANNEL, number: 1 };
    let envelope = Envelope { routing_key, properties, body, ..Envelope::default() };
    Delivery { tag, redelivered, envelope, reservation: None }
}

pub fn command(kind: &str, body: &Value) -> Submitted {
    let properties = Properties { kind: Some(kind.to_owned()), ..Properties::default() };
    Submitted { routing_key: String::new(), properties, body: body.to_string().into_bytes() }
}

pub fn place(order_id: &str) -> Submitted {
    command("PlaceOrder", &order(order_id))
}

pub fn cancel(order_id: &str) -> Submitted {
    command("CancelOrder", &json!({ "order_id": order_id }))
}

pub fn order(order_id: &str) -> Value {
    json!({
        "order_id": order_id,
        "order_customer": {"customer_id": 14, "name": "Ada", "email": "ada@example.com"},
        "items": [{"product_id": 1, "name": "Chess", "quantity": 2, "price_per_unit": "12.50"}],
    })
}
