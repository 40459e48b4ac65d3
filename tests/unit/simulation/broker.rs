//! A broker's queues: ready, handed out, waiting for a retry, dead.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use order_worker::service_layer::{
    Delivery, DeliveryTag, Envelope, Properties, Publication, Target,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::chance::Chance;
use super::fault::Fault;
use super::intents::IdempotencyKey;
use super::ledger::label_of;

/// The waits before the first, second, … retry.
const RETRY_DELAYS_MS: [u64; 3] = [100, 1000, 5000];

/// By which rule a quorum queue counts failed deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Every return counts.
    Before43,
    /// What a consumer hands back does not count; what a lost channel leaves does.
    Since43,
}

/// A broker; clones share it. It outlives the workers.
#[derive(Debug, Clone)]
pub struct Broker {
    state: Arc<Mutex<State>>,
    /// Signalled when there may be something to hand out.
    changed: Arc<Notify>,
    chance: Chance,
    release: Release,
    delivery_limit: u32,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Queued>,
    consumers: u32,
    /// By consumer, and the tag on its present channel.
    out: BTreeMap<(u32, u64), Queued>,
    waiting_for_retry: usize,
    /// Until when the queues behind a routing key have no room.
    full: BTreeMap<String, Instant>,
    dead_letters: Vec<DeadLettered>,
}

#[derive(Debug, Clone)]
struct Queued {
    exchange: &'static str,
    routing_key: String,
    properties: Properties,
    body: Vec<u8>,
    handed_out: bool,
    failed_deliveries: u32,
}

/// A message among the dead letters.
#[derive(Debug, Clone)]
pub struct DeadLettered {
    pub properties: Properties,
    pub body: Vec<u8>,
    /// The broker gave up on it; otherwise the worker did, and said why.
    pub by_broker: bool,
}

impl Broker {
    pub fn new(chance: Chance) -> Self {
        let release = [Release::Before43, Release::Since43][chance.below(2)];
        let delivery_limit = [1, 3, 20][chance.below(3)];
        let (state, changed) = (Arc::default(), Arc::default());
        Self { state, changed, chance, release, delivery_limit }
    }

    /// A publisher's message comes to the commands queue.
    pub fn submit(&self, intent: &IdempotencyKey) {
        self.enqueue(Queued {
            exchange: "orders",
            routing_key: intent.routing_key(),
            properties: intent.properties(),
            body: intent.body.clone(),
            handed_out: false,
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

    /// Names one more consumer.
    pub fn consumer(&self) -> u32 {
        let mut state = self.lock();
        state.consumers += 1;
        state.consumers
    }

    /// Whether there is something for a consumer that has not got its fill.
    pub fn has_work_for(&self, consumer: u32, prefetch: usize) -> bool {
        let state = self.lock();
        state.of(consumer).count() < prefetch && !state.ready.is_empty()
    }

    /// Whether a message with this id is with the consumer, by the present channel.
    pub fn has_out(&self, consumer: u32, message_id: &str) -> bool {
        let is = |queued: &Queued| queued.properties.message_id.as_deref() == Some(message_id);
        self.lock().of(consumer).any(is)
    }

    /// The first message that is ready, unless another consumer was faster.
    pub fn hand_out(&self, consumer: u32, tag: DeliveryTag) -> Option<Delivery> {
        let mut state = self.lock();
        let mut queued = state.ready.pop_front()?;
        let redelivered = std::mem::replace(&mut queued.handed_out, true);
        let envelope = Envelope {
            exchange: queued.exchange.to_owned(),
            routing_key: queued.routing_key.clone(),
            properties: queued.counted(),
            body: queued.body.clone(),
            ..Envelope::default()
        };
        let delivery = Delivery { tag, redelivered, envelope, reservation: None };
        state.out.insert((consumer, tag.number), queued);
        Some(delivery)
    }

    pub fn forget(&self, consumer: u32, number: u64) {
        self.lock().out.remove(&(consumer, number));
    }

    /// The channel is gone: what was out is ready again, at the head of the queue.
    pub fn lose_channel(&self, consumer: u32) {
        self.take_back(consumer, true);
    }

    /// A nack with requeue for all that is out; answers how many these were.
    pub fn hand_back(&self, consumer: u32) -> usize {
        self.take_back(consumer, self.release == Release::Before43)
    }

    fn take_back(&self, consumer: u32, counts: bool) -> usize {
        let is_its = |(of, _): &(u32, u64), _: &mut Queued| *of == consumer;
        let out: Vec<_> = self.lock().out.extract_if(.., is_its).collect();
        let returned = out.len();
        for (_, mut queued) in out.into_iter().rev() {
            queued.failed_deliveries += u32::from(counts);
            if queued.failed_deliveries > self.delivery_limit {
                self.chance.happened(Fault::DeliveryLimitReached);
                self.bury(queued.properties, queued.body, true);
            } else {
                self.lock().ready.push_front(queued);
            }
        }
        self.changed.notify_waiters();
        returned
    }

    /// A message that the worker publishes arrives and is taken.
    pub fn take(&self, publication: &Publication) {
        let Publication { target, properties, body } = publication;
        match target {
            Target::Retry { attempt } => self.retry_later(*attempt, publication),
            Target::DeadLetters { .. } => self.bury(properties.clone(), body.clone(), false),
            Target::Events { .. } | Target::Queue { .. } => {}
            Target::Commands { .. } => unreachable!("the worker publishes no commands"),
        }
    }

    /// From now on the queues behind a routing key have no room for a while.
    pub fn fill(&self, routing_key: &str, period: Duration) {
        self.lock().full.insert(routing_key.to_owned(), Instant::now() + period);
    }

    pub fn is_full(&self, routing_key: &str) -> bool {
        self.lock().full.get(routing_key).is_some_and(|until| *until > Instant::now())
    }

    fn retry_later(&self, attempt: u32, publication: &Publication) {
        self.chance.note(&format!("{} waits for retry {attempt}", label_of(publication)));
        let queued = Queued {
            exchange: "",
            routing_key: "orders.commands".to_owned(),
            properties: publication.properties.clone(),
            body: publication.body.clone(),
            handed_out: false,
            failed_deliveries: 0,
        };
        self.lock().waiting_for_retry += 1;
        let broker = self.clone();
        let delay = Duration::from_millis(RETRY_DELAYS_MS[attempt as usize - 1]);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            broker.lock().waiting_for_retry -= 1;
            broker.enqueue(queued);
        });
    }

    fn bury(&self, properties: Properties, body: Vec<u8>, by_broker: bool) {
        self.chance.note(&format!("{:?} is dead", properties.correlation_id));
        self.lock().dead_letters.push(DeadLettered { properties, body, by_broker });
    }

    pub fn dead_letters(&self) -> Vec<DeadLettered> {
        self.lock().dead_letters.clone()
    }

    /// Commands that are not settled: ready, handed out, waiting for a retry.
    pub fn open(&self) -> [usize; 3] {
        let state = self.lock();
        [state.ready.len(), state.out.len(), state.waiting_for_retry]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn of(&self, consumer: u32) -> impl Iterator<Item = &Queued> {
        self.out.range((consumer, 0)..(consumer + 1, 0)).map(|(_, queued)| queued)
    }
}

impl Queued {
    /// With the header in which a quorum queue counts.
    fn counted(&self) -> Properties {
        let mut properties = self.properties.clone();
        if self.failed_deliveries > 0 {
            let count = i64::from(self.failed_deliveries);
            properties.headers.insert("x-delivery-count".to_owned(), count.into());
        }
        properties
    }
}
