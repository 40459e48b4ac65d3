//! A lane of the queue, while another transaction has locked one of its orders.

#![expect(clippy::float_cmp, reason = "counts are whole numbers, which a float holds exactly")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::support::in_memory::InMemoryDatabase;
use order_worker::adapters::clock::SystemClock;
use order_worker::adapters::in_process::{InProcessBroker, Submitted};
use order_worker::entrypoints::amqp::{self, ConsumerDeps, ConsumerSettings, LanePorts};
use order_worker::messages::Properties;
use order_worker::service_layer::{ByteBudget, Health, InFlight, OrderQueries, StoreError};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::failing_store::FailingStore;
use crate::support::messages::id;

/// Allows 10 parked commands.
const PREFETCH: u16 = 20;

/// A worker with one lane, and a switch that locks order 0.
struct Worker {
    broker: InProcessBroker,
    database: InMemoryDatabase,
    health: Health,
    locked: Arc<AtomicBool>,
    stop: CancellationToken,
    pipeline: JoinHandle<()>,
}

impl Worker {
    fn start() -> Self {
        let broker = InProcessBroker::new(vec![Duration::from_millis(1)]);
        let (database, health) = (InMemoryDatabase::new(), Health::default());
        let (locked, stop) = (Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let is_locked = locked.clone();
        let store = FailingStore::new(&database, move |needs| {
            let meets = is_locked.load(Relaxed) && needs.order_ids.contains(&id("0"));
            meets.then(|| StoreError::Locked(vec![id("0")]))
        });
        let (source, _source_task) = broker.consume(PREFETCH, stop.clone());
        let deps = ConsumerDeps {
            source,
            lanes: vec![LanePorts {
                store: Box::new(store),
                event_publishers: vec![Box::new(broker.publisher())],
            }],
            republisher: Box::new(broker.publisher()),
            reply_publisher: Box::new(broker.publisher()),
            reroute_publisher: None,
            clock: Arc::new(SystemClock),
            health: health.clone(),
            in_flight: InFlight::default(),
        };
        let settings = ConsumerSettings {
            batch_max: 8,
            max_attempts: 1,
            keep_unroutable_events: false,
            reply_bytes: ByteBudget::new(1024 * 1024),
        };
        let pipeline = tokio::spawn(async move { amqp::run(deps, settings).await.unwrap() });
        Self { broker, database, health, locked, stop, pipeline }
    }

    async fn places(&self, order_ids: impl Iterator<Item = usize>) {
        for order_id in order_ids {
            self.broker.submit(place(order_id));
        }
        self.broker.wait_until_open_at_most(0).await;
    }

    fn parked(&self) -> f64 {
        let seen = crate::metrics::scrape(self.health.metrics());
        seen.value("order_worker_parked_messages", &[("source", "queue")]).unwrap()
    }

    /// The message ids of the changes of an order, without the first.
    async fn causes(&self, order_id: &str) -> Vec<String> {
        let found = self.database.queries().order(&id(order_id)).await.unwrap().unwrap();
        let changes = found.history.into_iter().skip(1);
        changes.filter_map(|entry| entry.cause.message_id).collect()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.pipeline.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_commands_of_a_locked_order_wait_in_their_order_and_all_others_go_on() {
    let worker = Worker::start();
    worker.places(0..300).await;
    worker.locked.store(true, Relaxed);

    // Every fiftieth is for the locked order.
    for number in 0..300 {
        let order_id = if number % 50 == 0 { 0 } else { number };
        worker.broker.submit(set_status(order_id, number % 100 == 0, number));
    }
    worker.broker.wait_until_open_at_most(6).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(worker.causes("0").await, [] as [String; 0]);
    assert_eq!(worker.parked(), 6.0);

    worker.locked.store(false, Relaxed);
    worker.broker.wait_until_open_at_most(0).await;

    assert_eq!(worker.causes("0").await, ["m0", "m50", "m100", "m150", "m200", "m250"]);
    assert_eq!(worker.parked(), 0.0);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lane_takes_no_more_while_too_many_commands_are_parked() {
    let worker = Worker::start();
    worker.places(0..2).await;
    worker.locked.store(true, Relaxed);
    for number in 0..30 {
        worker.broker.submit(set_status(0, number % 2 == 0, number));
    }
    worker.broker.submit(set_status(1, true, 30));

    let others_go_on = worker.broker.wait_until_open_at_most(30);
    assert!(timeout(Duration::from_secs(60), others_go_on).await.is_err());
    let parked = worker.parked();
    assert!((10.0..=18.0).contains(&parked), "{parked}: a half of the prefetch and a batch");
    worker.locked.store(false, Relaxed);
    worker.broker.wait_until_open_at_most(0).await;

    let in_order: Vec<String> = (0..30).map(|number| format!("m{number}")).collect();
    assert_eq!(worker.causes("0").await, in_order);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_leaves_parked_commands_to_the_broker() {
    let worker = Worker::start();
    worker.places(0..1).await;
    worker.locked.store(true, Relaxed);
    for number in 0..30 {
        worker.broker.submit(set_status(0, number % 2 == 0, number));
    }
    sleep(Duration::from_secs(5)).await;

    timeout(Duration::from_secs(5), worker.stop()).await.expect("it waits for no lock");
}

fn place(order_id: usize) -> Submitted {
    let body = json!({
        "order_id": order_id,
        "order_customer": {"customer_id": 14, "name": "Ada", "email": "ada@example.com"},
        "items": [{"product_id": 1, "name": "Chess", "quantity": 2, "price_per_unit": "12.50"}],
    });
    command("PlaceOrder", &body, None)
}

/// One of two statuses, so that each command changes something.
fn set_status(order_id: usize, to_shipping: bool, number: usize) -> Submitted {
    let status = if to_shipping { "Shipping" } else { "Processing" };
    let body = json!({"order_id": order_id, "status": status});
    command("SetStatus", &body, Some(format!("m{number}")))
}

fn command(kind: &str, body: &serde_json::Value, message_id: Option<String>) -> Submitted {
    let kind = Some(kind.to_owned());
    let properties = Properties { kind, message_id, ..Properties::default() };
    Submitted { routing_key: String::new(), properties, body: body.to_string().into_bytes() }
}
