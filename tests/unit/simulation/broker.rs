//! The simulated broker: ready, unacknowledged, retry and dead-letter queues.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use order_worker::messages::{Envelope, Properties, Publication, Target};
use order_worker::service_layer::{Delivery, DeliveryTag};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::chance::Chance;
use super::fault::Fault;
use super::intents::Intent;
use super::ledger::label_of;

/// The delays before the first, second, … retry.
const RETRY_DELAYS_MS: [u64; 3] = [100, 1000, 5000];

/// How a quorum queue counts failed deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerVersion {
    /// Every requeue counts.
    Before43,
    /// A lost channel counts, a nack with requeue does not.
    Since43,
}

/// A broker; clones share it. It outlives the workers.
#[derive(Debug, Clone)]
pub struct Broker {
    state: Arc<Mutex<State>>,
    /// Signalled when there may be something to deliver.
    changed: Arc<Notify>,
    chance: Chance,
    version: BrokerVersion,
    delivery_limit: u32,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Queued>,
    consumers: u32,
    /// By consumer, and the delivery tag on its present channel.
    unacked: BTreeMap<(u32, u64), Queued>,
    in_retry_queues: usize,
    /// Until when the queues behind a routing key are full.
    full: BTreeMap<String, Instant>,
    dead_letters: Vec<DeadLettered>,
}

#[derive(Debug, Clone)]
struct Queued {
    exchange: &'static str,
    routing_key: String,
    properties: Properties,
    body: Vec<u8>,
    was_delivered: bool,
    failed_deliveries: u32,
}

/// A message among the dead letters.
#[derive(Debug, Clone)]
pub struct DeadLettered {
    pub properties: Properties,
    pub body: Vec<u8>,
    /// By the broker's delivery limit; otherwise by the worker, with a reason.
    pub by_broker: bool,
}

impl Broker {
    pub fn new(chance: Chance) -> Self {
        let version = [BrokerVersion::Before43, BrokerVersion::Since43][chance.below(2)];
        let delivery_limit = [1, 3, 20][chance.below(3)];
        let (state, changed) = (Arc::default(), Arc::default());
        Self { state, changed, chance, version, delivery_limit }
    }

    /// Queues a publisher's command.
    pub fn submit(&self, intent: &Intent) {
        self.enqueue(Queued {
            exchange: "orders",
            routing_key: intent.routing_key(),
            properties: intent.properties(),
            body: intent.body.clone(),
            was_delivered: false,
            failed_deliveries: 0,
        });
    }

    fn enqueue(&self, message: Queued) {
        self.lock().ready.push_back(message);
        self.changed.notify_waiters();
    }

    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Registers another consumer.
    pub fn consumer(&self) -> u32 {
        let mut state = self.lock();
        state.consumers += 1;
        state.consumers
    }

    /// Whether there is a message for a consumer below its prefetch.
    pub fn has_work_for(&self, consumer: u32, prefetch: usize) -> bool {
        let state = self.lock();
        state.of(consumer).count() < prefetch && !state.ready.is_empty()
    }

    /// Whether the consumer has an unacknowledged message with this id on its present channel.
    pub fn has_unacked(&self, consumer: u32, message_id: &str) -> bool {
        let is = |queued: &Queued| queued.properties.message_id.as_deref() == Some(message_id);
        self.lock().of(consumer).any(is)
    }

    /// Delivers the first ready message, if there still is one.
    pub fn deliver(&self, consumer: u32, tag: DeliveryTag) -> Option<Delivery> {
        let mut state = self.lock();
        let mut queued = state.ready.pop_front()?;
        let redelivered = std::mem::replace(&mut queued.was_delivered, true);
        let envelope = Envelope {
            exchange: queued.exchange.to_owned(),
            routing_key: queued.routing_key.clone(),
            properties: queued.with_delivery_count(),
            body: queued.body.clone(),
            ..Envelope::default()
        };
        let delivery = Delivery { tag, redelivered, envelope, reservation: None };
        state.unacked.insert((consumer, tag.number), queued);
        Some(delivery)
    }

    pub fn ack(&self, consumer: u32, number: u64) {
        self.lock().unacked.remove(&(consumer, number));
    }

    /// The channel is lost: its unacknowledged messages go back to the head of the queue.
    pub fn lose_channel(&self, consumer: u32) {
        self.requeue(consumer, true);
    }

    /// A nack with requeue for all unacknowledged messages; returns their number.
    pub fn nack_all(&self, consumer: u32) -> usize {
        self.requeue(consumer, self.version == BrokerVersion::Before43)
    }

    fn requeue(&self, consumer: u32, counts: bool) -> usize {
        let is_its = |(of, _): &(u32, u64), _: &mut Queued| *of == consumer;
        let unacked: Vec<_> = self.lock().unacked.extract_if(.., is_its).collect();
        let returned = unacked.len();
        for (_, mut queued) in unacked.into_iter().rev() {
            queued.failed_deliveries += u32::from(counts);
            if queued.failed_deliveries > self.delivery_limit {
                self.chance.happened(Fault::DeliveryLimitReached);
                self.dead_letter(queued.properties, queued.body, true);
            } else {
                self.lock().ready.push_front(queued);
            }
        }
        self.changed.notify_waiters();
        returned
    }

    /// Queues a message that the worker publishes.
    pub fn accept(&self, publication: &Publication) {
        let Publication { target, properties, body } = publication;
        match target {
            Target::Retry { attempt } => self.retry_later(*attempt, publication),
            Target::DeadLetters { .. } => self.dead_letter(properties.clone(), body.clone(), false),
            Target::Events { .. } | Target::Queue { .. } => {}
            Target::Commands { .. } | Target::Partition { .. } => {
                unreachable!("the worker publishes no commands")
            }
        }
    }

    /// Makes the queues behind a routing key full for a while.
    pub fn fill(&self, routing_key: &str, period: Duration) {
        self.lock().full.insert(routing_key.to_owned(), Instant::now() + period);
    }

    pub fn is_full(&self, routing_key: &str) -> bool {
        self.lock().full.get(routing_key).is_some_and(|until| *until > Instant::now())
    }

    fn retry_later(&self, attempt: u32, publication: &Publication) {
        self.chance.log(&format!("{} is in the queue of retry {attempt}", label_of(publication)));
        let queued = Queued {
            exchange: "",
            routing_key: "orders.commands".to_owned(),
            properties: publication.properties.clone(),
            body: publication.body.clone(),
            was_delivered: false,
            failed_deliveries: 0,
        };
        self.lock().in_retry_queues += 1;
        let broker = self.clone();
        let delay = Duration::from_millis(RETRY_DELAYS_MS[attempt as usize - 1]);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            broker.lock().in_retry_queues -= 1;
            broker.enqueue(queued);
        });
    }

    fn dead_letter(&self, properties: Properties, body: Vec<u8>, by_broker: bool) {
        self.chance.log(&format!("{:?} is a dead letter", properties.correlation_id));
        self.lock().dead_letters.push(DeadLettered { properties, body, by_broker });
    }

    pub fn dead_letters(&self) -> Vec<DeadLettered> {
        self.lock().dead_letters.clone()
    }

    /// Commands that are not settled: ready, unacknowledged, in a retry queue.
    pub fn unsettled(&self) -> [usize; 3] {
        let state = self.lock();
        [state.ready.len(), state.unacked.len(), state.in_retry_queues]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn of(&self, consumer: u32) -> impl Iterator<Item = &Queued> {
        self.unacked.range((consumer, 0)..(consumer + 1, 0)).map(|(_, queued)| queued)
    }
}

impl Queued {
    /// The properties, with the header in which a quorum queue counts.
    fn with_delivery_count(&self) -> Properties {
        let mut properties = self.properties.clone();
        if self.failed_deliveries > 0 {
            let count = i64::from(self.failed_deliveries);
            properties.headers.insert("x-delivery-count".to_owned(), count.into());
        }
        properties
    }
}
