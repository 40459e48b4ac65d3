//! What has to be asked of servers: the last answers, or nothing where there is none.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};

use super::catalog;
use crate::messages::{Backlog, ConsumedQueue, DeadLetterCode, QueueDepth};

/// Whoever is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Database,
    Broker,
}

impl Server {
    pub const ALL: [Self; 2] = [Self::Database, Self::Broker];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Broker => "broker",
        }
    }
}

/// The code of dead letters that this program does not know: the broker's own, or somebody's.
const OTHER: &str = "other";

/// For what is sampled. Without an answer a metric is absent, which is not the same as 0.
#[derive(Debug)]
pub struct Sampled {
    open: IntGaugeVec,
    oldest_dead_letter: GaugeVec,
    outbox: IntGaugeVec,
    oldest_outgoing: GaugeVec,
    ready: IntGaugeVec,
    consumers: IntGaugeVec,
    partition_ready: IntGaugeVec,
    partition_consumers: IntGaugeVec,
    failed: IntCounterVec,
    last: Mutex<LastAnswers>,
}

/// What the servers said last; none where they did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastAnswers {
    pub stock: Option<Backlog>,
    pub commands: Option<QueueDepth>,
    pub dead_letters: Option<QueueDepth>,
    /// Of the commands; empty with a single partition, and where the broker did not answer.
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
            oldest_outgoing: catalog::OUTBOX_AGE.float_gauges(registry),
            ready: catalog::QUEUE_MESSAGES.gauges(registry),
            consumers: catalog::QUEUE_CONSUMERS.gauges(registry),
            partition_ready: catalog::PARTITION_MESSAGES.gauges(registry),
            partition_consumers: catalog::PARTITION_CONSUMERS.gauges(registry),
            failed,
            last: Mutex::default(),
        }
    }

    /// What the database said; none when it did not answer.
    pub fn database(&self, stock: Option<&Backlog>) {
        if stock.is_none() {
            self.failed.with_label_values(&[Server::Database.as_str()]).inc();
        }
        let outbox = stock.map(|stock| stock.outbox);
        set(&self.outbox, &[], outbox.map(|outbox| outbox.count));
        set_age(&self.oldest_outgoing, outbox.map(|outbox| outbox.oldest.unwrap_or_default()));
        let dead_letters = stock.and_then(|stock| stock.open_dead_letters.as_ref());
        for code in DeadLetterCode::ALL.map(DeadLetterCode::as_str).into_iter().chain([OTHER]) {
            let count = dead_letters.map(|dead_letters| dead_letters.of(|it| label_of(it) == code));
            set(&self.open, &[code], count);
        }
        set_age(
            &self.oldest_dead_letter,
            dead_letters.map(|dead_letters| dead_letters.oldest.unwrap_or_default()),
        );
        self.lock().stock = stock.cloned();
    }

    /// What the broker said of a queue; none when it did not answer.
    pub fn queue(&self, inflow: ConsumedQueue, depth: Option<QueueDepth>) {
        if depth.is_none() {
            self.failed.with_label_values(&[Server::Broker.as_str()]).inc();
        }
        set(&self.ready, &[inflow.as_str()], depth.map(|depth| depth.ready));
        set(&self.consumers, &[inflow.as_str()], depth.map(|depth| depth.consumers));
        match inflow {
            ConsumedQueue::Commands => self.lock().commands = depth,
            ConsumedQueue::DeadLetters => self.lock().dead_letters = depth,
        }
    }

    /// What the broker said of each partition of the commands; nothing when it did not answer.
    pub fn partitions(&self, depths: &[QueueDepth]) {
        let depths = if depths.len() > 1 { depths } else { &[] };
        let before = std::mem::replace(&mut self.lock().partitions, depths.to_vec()).len();
        for partition in 0..before.max(depths.len()) {
            let (label, depth) = (partition.to_string(), depths.get(partition));
            set(&self.partition_ready, &[&label], depth.map(|depth| depth.ready));
            set(&self.partition_consumers, &[&label], depth.map(|depth| depth.consumers));
        }
    }

    pub fn last_answers(&self) -> LastAnswers {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LastAnswers> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
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
        // It may be absent already.
        None => drop(gauges.remove_label_values(labels)),
    }
}

fn set_age(gauges: &GaugeVec, age: Option<Duration>) {
    match age {
        Some(age) => gauges.with_label_values::<&str>(&[]).set(age.as_secs_f64()),
        None => drop(gauges.remove_label_values::<&str>(&[])),
    }
}
