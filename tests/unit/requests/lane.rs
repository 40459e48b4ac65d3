//! A lane on the in-memory database, with a broker whose confirms a test can hold back.

use std::sync::{Arc, Mutex};

use crate::support::in_memory::InMemoryDatabase;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use order_worker::entrypoints::command_client::{
    CommandClient, CommandLaneDeps, CommandQueue, MAX_WAITING_BYTES, serve,
};
use order_worker::messages::{Message, OutboxKey, Outcome, Publication, PublishStatus};
use order_worker::service_layer::{
    Health, InFlight, MessageBus, OrderHistory, OrderQueries, PublishError, Publisher, Relay,
    RelayStore, Store,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::clock::TickingClock;
use crate::support::messages::id;

/// A lane and its dependencies.
pub struct LaneEnv {
    pub database: InMemoryDatabase,
    pub broker: HeldBroker,
    pub in_flight: InFlight,
    pub batch_max: usize,
    pub max_waiting_bytes: usize,
    pub stop: CancellationToken,
}

/// Confirms a window only after [`Self::release`].
#[derive(Debug, Clone)]
pub struct HeldBroker {
    allowed: Arc<Semaphore>,
    published: Arc<Mutex<Vec<Publication>>>,
}

impl LaneEnv {
    /// With a broker that confirms at once.
    pub fn new() -> Self {
        let env = Self::with_a_held_broker();
        env.broker.release();
        env
    }

    pub fn with_a_held_broker() -> Self {
        let broker = HeldBroker { allowed: Arc::new(Semaphore::new(0)), published: Arc::default() };
        let (database, in_flight) = (InMemoryDatabase::new(), InFlight::default());
        Self {
            database,
            broker,
            in_flight,
            batch_max: 100,
            max_waiting_bytes: MAX_WAITING_BYTES,
            stop: CancellationToken::new(),
        }
    }

    /// Starts a lane.
    pub fn lane(&self) -> (CommandClient, JoinHandle<()>) {
        let (client, queue) = CommandClient::channel();
        (client, self.serve(queue))
    }

    pub fn serve(&self, queue: CommandQueue) -> JoinHandle<()> {
        self.serve_on(self.database.store(), queue)
    }

    pub fn serve_on(&self, store: impl Store + 'static, queue: CommandQueue) -> JoinHandle<()> {
        let deps = CommandLaneDeps {
            store: Box::new(store),
            publisher: Box::new(self.broker.clone()),
            clock: Arc::new(TickingClock::default()),
            health: Health::default(),
            in_flight: self.in_flight.for_command_client(),
            batch_max: self.batch_max,
            keep_unroutable_events: false,
            max_waiting_bytes: self.max_waiting_bytes,
        };
        tokio::spawn(serve(queue, deps, self.stop.clone()))
    }

    /// The bus of a queue lane on the same database.
    pub fn bus_of_queue_lane(&self) -> MessageBus {
        let clock = Arc::new(TickingClock::default());
        MessageBus::new(
            Box::new(self.database.store()),
            clock,
            Health::default(),
            self.in_flight.clone(),
        )
    }

    pub fn relay(&self) -> Relay {
        let (store, publisher) = (Box::new(self.database.relay()), Box::new(self.broker.clone()));
        Relay::new(store, publisher, Health::default(), self.in_flight.clone(), false)
    }

    pub async fn order(&self, order_id: &str) -> Option<OrderHistory> {
        self.database.queries().order(&id(order_id)).await.unwrap()
    }

    /// The distinct creation times of these orders: one per batch.
    pub async fn batches(&self, order_ids: &[&str]) -> Vec<DateTime<Utc>> {
        let mut times = Vec::new();
        for order_id in order_ids {
            times.push(self.order(order_id).await.unwrap().order.created_at());
        }
        times.dedup();
        times
    }

    pub async fn outbox(&self) -> Vec<OutboxKey> {
        let mut outbox = self.database.relay();
        let waiting = outbox.waiting(DateTime::<Utc>::MAX_UTC, None, usize::MAX).await.unwrap();
        waiting.iter().map(|row| row.key().parse().unwrap()).collect()
    }
}

impl HeldBroker {
    /// Lets it confirm all windows from now on.
    pub fn release(&self) {
        self.allowed.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// The versions of the confirmed events, in order.
    pub fn versions(&self) -> Vec<u64> {
        let published = self.published.lock().unwrap();
        let bodies = published.iter().map(|it| serde_json::from_slice(&it.body).unwrap());
        bodies.map(|body: serde_json::Value| body["version"].as_u64().unwrap()).collect()
    }
}

#[async_trait]
impl Publisher for HeldBroker {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        if !window.is_empty() {
            self.allowed.acquire().await.unwrap().forget();
        }
        self.published.lock().unwrap().extend_from_slice(window);
        Ok(vec![PublishStatus::Confirmed; window.len()])
    }
}

/// Sends each command after the outcome of the previous one.
pub async fn one_by_one<const N: usize>(
    client: &CommandClient,
    messages: [Message; N],
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for message in messages {
        outcomes.push(client.handle(message).await.unwrap());
    }
    outcomes
}
