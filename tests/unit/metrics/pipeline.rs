//! The whole pipeline in memory, for the metrics of a run.

use std::sync::Arc;
use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use order_worker::adapters::clock::SystemClock;
use order_worker::adapters::in_process::{InProcessBroker, Submitted};
use order_worker::entrypoints::amqp::{self, ConsumerDeps, ConsumerSettings, LanePorts};
use order_worker::messages::{Envelope, Properties};
use order_worker::metrics::Metrics;
use order_worker::service_layer::{
    ByteBudget, ChannelEpoch, CommandSource, Delivery, DeliveryTag, Health, InFlight,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::scrape;
use crate::scrape::Scrape;

/// The first channel of a source.
const CHANNEL: u32 = 1;

/// A worker on the in-process broker, with one lane and two attempts per message.
pub struct Pipeline {
    pub broker: InProcessBroker,
    pub database: InMemoryDatabase,
    pub health: Health,
}

impl Pipeline {
    pub fn new() -> Self {
        let broker = InProcessBroker::new(vec![Duration::from_millis(1)]);
        Self { broker, database: InMemoryDatabase::new(), health: Health::default() }
    }

    pub fn metrics(&self) -> &Metrics {
        self.health.metrics()
    }

    /// Processes these commands; returns the metrics.
    pub async fn process(&self, commands: &[Submitted]) -> Scrape {
        let stop = CancellationToken::new();
        let (source, source_ended) = self.broker.consume(1000, stop.clone());
        for command in commands {
            self.broker.submit(command.clone());
        }
        let until_done = async {
            self.broker.wait_until_open_at_most(0).await;
            stop.cancel();
        };
        tokio::join!(self.run(source), until_done);
        source_ended.await.unwrap();
        scrape(self.metrics())
    }

    /// Processes these deliveries; returns the metrics.
    pub async fn process_deliveries(&self, given: Vec<Delivery>) -> Scrape {
        let (deliveries_in, deliveries) = mpsc::channel(given.len());
        let (settlements, _settled) = mpsc::unbounded_channel();
        let channel_epoch = ChannelEpoch::default();
        assert_eq!(channel_epoch.next(), CHANNEL);
        for delivery in given {
            deliveries_in.send(delivery).await.unwrap();
        }
        drop(deliveries_in);
        self.run(CommandSource { deliveries, settlements, channel_epoch }).await;
        scrape(self.metrics())
    }

    async fn run(&self, source: CommandSource) {
        let deps = ConsumerDeps {
            source,
            lanes: vec![LanePorts {
                store: Box::new(self.database.store()),
                event_publishers: vec![Box::new(self.broker.publisher())],
            }],
            republisher: Box::new(self.broker.publisher()),
            reply_publisher: Box::new(self.broker.publisher()),
            reroute_publisher: None,
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
        amqp::run(deps, settings).await.unwrap();
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
