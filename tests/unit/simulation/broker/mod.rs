//! The simulated broker: partitions of the commands, retry queues, dead letters.

mod partition;
mod queued;
mod version;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use order_worker::messages::{Properties, Publication, Target};
use order_worker::service_layer::{Delivery, DeliveryTag, ORDER_ID_HEADER};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::partition::Partition;
pub use self::queued::DeadLettered;
use self::queued::Queued;
use self::version::BrokerVersion;
use super::chance::Chance;
use super::fault::Fault;
use super::intents::Intent;
use super::ledger::label_of;

/// The delays before the first, second, … retry.
const RETRY_DELAYS_MS: [u64; 3] = [100, 1000, 5000];

/// Consumers have priorities below this.
const PRIORITIES: usize = 100;

/// A broker; clones share it. It outlives the workers.
#[derive(Debug, Clone)]
pub struct Broker {
    state: Arc<Mutex<State>>,
    /// Signalled when there may be something to deliver.
    changed: Arc<Notify>,
    chance: Chance,
    version: BrokerVersion,
    delivery_limit: u32,
    settings: BrokerSettings,
}

/// How the commands queues are declared.
#[derive(Debug, Clone, Copy)]
pub struct BrokerSettings {
    pub partitions: usize,
    /// Whether each partition has a single active consumer.
    pub ordered: bool,
    /// Where retried commands return to: to the partition of their order, or all to the first one.
    pub retries_return: bool,
}

/// What decides who gets the next message of a partition.
#[derive(Debug, Clone, Copy)]
struct Terms {
    /// Of a consumer, in each partition.
    prefetch: usize,
    ordered: bool,
    has_priorities: bool,
}

#[derive(Debug, Default)]
struct State {
    partitions: Vec<Partition>,
    consumers: u32,
    /// By consumer, and the delivery tag on its present channel; with the partition.
    unacked: BTreeMap<(u32, u64), (usize, Queued)>,
    in_retry_queues: usize,
    /// Until when the queues behind a routing key are full.
    full: BTreeMap<String, Instant>,
    dead_letters: Vec<DeadLettered>,
}

impl Broker {
    pub fn new(chance: Chance, settings: BrokerSettings) -> Self {
        let version = [BrokerVersion::V3, BrokerVersion::V4][chance.below(2)];
        let delivery_limit = [1, 3, 20][chance.below(3)];
        let partitions = (0..settings.partitions).map(|_| Partition::default()).collect();
        let state = Arc::new(Mutex::new(State { partitions, ..State::default() }));
        Self { state, changed: Arc::default(), chance, version, delivery_limit, settings }
    }

    /// Queues a publisher's command.
    pub fn submit(&self, intent: &Intent) {
        let (key, properties) = (intent.routing_key(), intent.properties());
        self.route(Queued::new("orders", &key, properties, intent.body.clone()));
    }

    /// The partition of the commands with this header. Those without meet in one.
    pub fn partition_of(&self, order_id: Option<&str>) -> usize {
        let hash = order_id.unwrap_or_default().bytes().fold(7, |hash, byte| {
            usize::wrapping_add(usize::wrapping_mul(hash, 31), usize::from(byte))
        });
        hash % self.settings.partitions
    }

    /// Through the hash exchange.
    fn route(&self, message: Queued) {
        let header = message.properties.headers.get(ORDER_ID_HEADER);
        let partition = self.partition_of(header.and_then(|value| value.as_text()));
        self.enqueue(partition, message);
    }

    fn enqueue(&self, partition: usize, message: Queued) {
        self.lock().partitions[partition].ready.push_back(message);
        self.changed.notify_waiters();
    }

    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A name for another consumer.
    pub fn consumer(&self) -> u32 {
        let mut state = self.lock();
        state.consumers += 1;
        state.consumers
    }

    /// Consumes all partitions, each with a priority.
    pub fn consume(&self, consumer: u32, priorities: &[usize]) {
        for (partition, priority) in self.lock().partitions.iter_mut().zip(priorities) {
            partition.register(consumer, *priority);
        }
        self.elect();
    }

    /// Priorities for the consumers of a worker: on the real broker a hash of worker and partition.
    pub fn priorities(&self) -> Vec<usize> {
        (0..self.settings.partitions).map(|_| self.chance.below(PRIORITIES)).collect()
    }

    pub fn has_work_for(&self, consumer: u32, prefetch: usize) -> bool {
        self.lock().partitions_for(consumer, self.terms(prefetch)).next().is_some()
    }

    fn terms(&self, prefetch: usize) -> Terms {
        Terms {
            prefetch: prefetch.div_ceil(self.settings.partitions),
            ordered: self.settings.ordered,
            has_priorities: self.version.has_priorities(),
        }
    }

    /// Whether the consumer has an unacknowledged message with this id, from this partition, on its
    /// present channel.
    pub fn has_unacked(&self, consumer: u32, message_id: &str, partition: usize) -> bool {
        self.lock().of(consumer).any(|(of, queued)| {
            *of == partition && queued.properties.message_id.as_deref() == Some(message_id)
        })
    }

    /// Delivers the first message of a partition, if there still is one.
    pub fn deliver(&self, consumer: u32, prefetch: usize, tag: DeliveryTag) -> Option<Delivery> {
        let mut state = self.lock();
        let partitions: Vec<_> = state.partitions_for(consumer, self.terms(prefetch)).collect();
        let partition = *partitions.get(self.chance.below(partitions.len()))?;
        let mut queued = state.partitions[partition].ready.pop_front()?;
        let redelivered = std::mem::replace(&mut queued.was_delivered, true);
        let delivery =
            Delivery { tag, redelivered, envelope: queued.envelope(), reservation: None };
        state.unacked.insert((consumer, tag.number), (partition, queued));
        Some(delivery)
    }

    pub fn ack(&self, consumer: u32, numbers: impl IntoIterator<Item = u64>) {
        let mut state = self.lock();
        for number in numbers {
            state.unacked.remove(&(consumer, number));
        }
        drop(state);
        self.elect();
    }

    /// The consumer is cancelled: it keeps its unacknowledged messages.
    pub fn cancel(&self, consumer: u32) {
        self.lock().partitions.iter_mut().for_each(|partition| partition.remove(consumer));
        self.elect();
    }

    /// The channel is closed or lost: its unacknowledged messages go back to the head of their queues,
    /// and its consumers go.
    pub fn lose_channel(&self, consumer: u32) {
        self.requeue(consumer);
        self.cancel(consumer);
    }

    fn requeue(&self, consumer: u32) {
        let is_its = |(of, _): &(u32, u64), _: &mut (usize, Queued)| *of == consumer;
        let unacked: Vec<_> = self.lock().unacked.extract_if(.., is_its).collect();
        for (_, (partition, mut queued)) in unacked.into_iter().rev() {
            queued.failed_deliveries += 1;
            if queued.failed_deliveries > self.delivery_limit {
                self.chance.happened(Fault::DeliveryLimitReached);
                self.dead_letter(queued.properties, queued.body, true);
            } else {
                self.lock().partitions[partition].ready.push_front(queued);
            }
        }
    }

    /// Changes active consumers where it is time.
    fn elect(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        for (place, partition) in state.partitions.iter_mut().enumerate() {
            let holds = partition.active().is_some_and(|active| {
                state.unacked.range((active, 0)..(active + 1, 0)).any(|(_, (of, _))| *of == place)
            });
            if partition.elect(holds, self.version.has_priorities()) && self.settings.ordered {
                self.chance.happened(Fault::HandedOver);
            }
        }
        self.changed.notify_waiters();
    }

    /// Queues a message that the worker publishes.
    pub fn accept(&self, publication: &Publication) {
        let Publication { target, properties, body } = publication;
        match target {
            Target::Retry { attempt } => self.retry_later(*attempt, publication),
            Target::DeadLetters { .. } => self.dead_letter(properties.clone(), body.clone(), false),
            Target::Partition { routing_key } => {
                self.chance.log(&format!("{} is rerouted", label_of(publication)));
                self.route(Queued::new("", routing_key, properties.clone(), body.clone()));
            }
            Target::Events { .. } | Target::Queue { .. } => {}
            Target::Commands { .. } => unreachable!("the worker publishes no commands"),
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
        let Publication { properties, body, .. } = publication;
        let queued = Queued::new("", "orders.commands", properties.clone(), body.clone());
        self.lock().in_retry_queues += 1;
        let broker = self.clone();
        let delay = Duration::from_millis(RETRY_DELAYS_MS[attempt as usize - 1]);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            broker.lock().in_retry_queues -= 1;
            if broker.settings.retries_return {
                broker.route(queued);
            } else {
                broker.enqueue(0, queued);
            }
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
        let ready = state.partitions.iter().map(|partition| partition.ready.len()).sum();
        [ready, state.unacked.len(), state.in_retry_queues]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// The partitions with a message for a consumer that is below its prefetch there.
    fn partitions_for(&self, consumer: u32, terms: Terms) -> impl Iterator<Item = usize> {
        let partitions = self.partitions.iter().enumerate().filter(move |(place, partition)| {
            let is_served = if terms.ordered {
                partition.serves(consumer, terms.has_priorities)
            } else {
                partition.has(consumer)
            };
            !partition.ready.is_empty()
                && is_served
                && self.of(consumer).filter(|(of, _)| of == place).count() < terms.prefetch
        });
        partitions.map(|(place, _)| place)
    }

    fn of(&self, consumer: u32) -> impl Iterator<Item = &(usize, Queued)> {
        self.unacked.range((consumer, 0)..(consumer + 1, 0)).map(|(_, held)| held)
    }
}
