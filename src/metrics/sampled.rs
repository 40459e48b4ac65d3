//! Metrics that are queried from the servers at intervals.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};
use strum::EnumCount;

use super::catalog;
use crate::messages::{Backlog, ConsumedQueue, DeadLetterCode, QueueDepth};

/// The server that is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum Server {
    Database,
    Broker,
}

impl Server {
    pub const ALL: [Self; Self::COUNT] = [Self::Database, Self::Broker];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Broker => "broker",
        }
    }
}

/// Label for codes that the worker does not assign, such as the broker's reason for a dead letter.
const OTHER: &str = "other";

/// The sampled metrics. While a server does not respond, its metrics are absent, not 0.
#[derive(Debug)]
pub struct Sampled {
    open: IntGaugeVec,
    oldest_dead_letter: GaugeVec,
    outbox: IntGaugeVec,
    oldest_outbox_message: GaugeVec,
    ready: IntGaugeVec,
    consumers: IntGaugeVec,
    partition_ready: IntGaugeVec,
    partition_consumers: IntGaugeVec,
    failed: IntCounterVec,
    latest: Mutex<LatestSamples>,
}

/// The latest samples. `None` if the server did not respond.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LatestSamples {
    pub backlog: Option<Backlog>,
    pub commands: Option<QueueDepth>,
    pub dead_letters: Option<QueueDepth>,
    /// Of the commands. Empty with a single partition, or if the broker did not respond.
    pub partitions: Vec<QueueDepth>,
}

impl Sampled {
    pub(super) fn new(registry: &Registry) -> Self {
        let failed = catalog::SAMPLES_FAILED.counters(registry);
        for server in Server::ALL {
            failed.with_label_values(&[server.as_str()]);
        }
        Self {
            open: catalog::DEAD_LETTERS_OPEN.gauges(registry),
            oldest_dead_letter: catalog::DEAD_LETTERS_AGE.float_gauges(registry),
            outbox: catalog::OUTBOX_MESSAGES.gauges(registry),
            oldest_outbox_message: catalog::OUTBOX_AGE.float_gauges(registry),
            ready: catalog::QUEUE_MESSAGES.gauges(registry),
            consumers: catalog::QUEUE_CONSUMERS.gauges(registry),
            partition_ready: catalog::PARTITION_MESSAGES.gauges(registry),
            partition_consumers: catalog::PARTITION_CONSUMERS.gauges(registry),
            failed,
            latest: Mutex::default(),
        }
    }

    /// Records a sample of the database; `None` if it did not respond.
    pub fn record_backlog(&self, backlog: Option<&Backlog>) {
        if backlog.is_none() {
            self.failed.with_label_values(&[Server::Database.as_str()]).inc();
        }
        let outbox = backlog.map(|backlog| backlog.outbox);
        set(&self.outbox, &[], outbox.map(|outbox| outbox.count));
        set_age(
            &self.oldest_outbox_message,
            outbox.map(|outbox| outbox.oldest.unwrap_or_default()),
        );
        let dead_letters = backlog.and_then(|backlog| backlog.open_dead_letters.as_ref());
        for code in DeadLetterCode::ALL.map(DeadLetterCode::as_str).into_iter().chain([OTHER]) {
            let count = dead_letters.map(|dead_letters| dead_letters.of(|it| label_of(it) == code));
            set(&self.open, &[code], count);
        }
        set_age(
            &self.oldest_dead_letter,
            dead_letters.map(|dead_letters| dead_letters.oldest.unwrap_or_default()),
        );
        self.lock().backlog = backlog.cloned();
    }

    /// Records a sample of a queue; `None` if the broker did not respond.
    pub fn record_depth(&self, queue: ConsumedQueue, depth: Option<QueueDepth>) {
        if depth.is_none() {
            self.failed.with_label_values(&[Server::Broker.as_str()]).inc();
        }
        set(&self.ready, &[queue.as_str()], depth.map(|depth| depth.ready));
        set(&self.consumers, &[queue.as_str()], depth.map(|depth| depth.consumers));
        match queue {
            ConsumedQueue::Commands => self.lock().commands = depth,
            ConsumedQueue::DeadLetters => self.lock().dead_letters = depth,
        }
    }

    /// Records a sample of each partition of the commands; empty if the broker did not respond.
    pub fn record_partitions(&self, depths: &[QueueDepth]) {
        let depths = if depths.len() > 1 { depths } else { &[] };
        let before = std::mem::replace(&mut self.lock().partitions, depths.to_vec()).len();
        for partition in 0..before.max(depths.len()) {
            let (label, depth) = (partition.to_string(), depths.get(partition));
            set(&self.partition_ready, &[&label], depth.map(|depth| depth.ready));
            set(&self.partition_consumers, &[&label], depth.map(|depth| depth.consumers));
        }
    }

    pub fn latest_samples(&self) -> LatestSamples {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LatestSamples> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn label_of(code: &str) -> &'static str {
    let known = DeadLetterCode::ALL.into_iter().map(DeadLetterCode::as_str);
    known.into_iter().find(|known| *known == code).unwrap_or(OTHER)
}

fn set(gauges: &IntGaugeVec, labels: &[&str], value: Option<u64>) {
    match value {
        Some(value) => {
            gauges.with_label_values(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        // Fails if it is absent already.
        None => drop(gauges.remove_label_values(labels)),
    }
}

fn set_age(gauges: &GaugeVec, age: Option<Duration>) {
    match age {
        Some(age) => gauges.with_label_values::<&str>(&[]).set(age.as_secs_f64()),
        None => drop(gauges.remove_label_values::<&str>(&[])),
    }
}
