//! Commands and what becomes of them.

use std::array;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry};

use super::{HistogramSnapshot, catalog};
use crate::domain::{CommandKind, Rejection};
use crate::messages::{BatchResult, Outcome, RetryReason};

/// Where a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Queue,
    Http,
}

impl Source {
    pub const ALL: [Self; 2] = [Self::Queue, Self::Http];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Http => "http",
        }
    }
}

/// The kinds of commands, and one place for messages of unknown kind.
const COMMANDS: usize = CommandKind::ALL.len() + 1;

/// As [`Outcome::as_str`] has them.
pub const OUTCOMES: [&str; 5] =
    ["accepted", "duplicate", "rejected", "retry_later", "dead_lettered"];

/// For commands and their batches.
///
/// What is counted for each message is looked up once, here: then it costs no more than an addition.
#[derive(Debug)]
pub struct Messages {
    of_source: [OfSource; 2],
    redelivered: IntCounter,
    rejected: IntCounterVec,
    retries: IntCounterVec,
    retries_returned: IntCounter,
    end_to_end: Histogram,
}

#[derive(Debug)]
struct OfSource {
    received: IntCounter,
    /// By command, then by outcome.
    handled: [[IntCounter; 5]; COMMANDS],
    batch_messages: Histogram,
    batch_seconds: Histogram,
    commit_seconds: Histogram,
    conflicts: IntCounter,
    parked: IntGauge,
}

impl Messages {
    pub(super) fn new(registry: &Registry) -> Self {
        let received = catalog::RECEIVED.counters(registry);
        let handled = catalog::HANDLED.counters(registry);
        let batch_messages = catalog::BATCH_MESSAGES.histograms(registry);
        let batch_seconds = catalog::BATCH_SECONDS.histograms(registry);
        let commit_seconds = catalog::COMMIT_SECONDS.histograms(registry);
        let conflicts = catalog::CONFLICTS.counters(registry);
        let parked = catalog::PARKED.gauges(registry);
        let of_source = Source::ALL.map(|source| OfSource {
            received: received.with_label_values(&[source.as_str()]),
            handled: array::from_fn(|place| {
                let command = CommandKind::ALL.get(place).map_or("unknown", |kind| kind.name());
                OUTCOMES.map(|word| handled.with_label_values(&[source.as_str(), command, word]))
            }),
            batch_messages: batch_messages.with_label_values(&[source.as_str()]),
            batch_seconds: batch_seconds.with_label_values(&[source.as_str()]),
            commit_seconds: commit_seconds.with_label_values(&[source.as_str()]),
            conflicts: conflicts.with_label_values(&[source.as_str()]),
            parked: parked.with_label_values(&[source.as_str()]),
        });
        let rejected = catalog::REJECTED.counters(registry);
        for code in Rejection::CODES {
            rejected.with_label_values(&[code]);
        }
        let retries = catalog::RETRIES.counters(registry);
        retries.with_label_values(&[RetryReason::ORDER_NOT_FOUND]);
        Self {
            of_source,
            redelivered: catalog::REDELIVERED.counters(registry).with_label_values::<&str>(&[]),
            rejected,
            retries,
            retries_returned: catalog::RETRIES_RETURNED
                .counters(registry)
                .with_label_values::<&str>(&[]),
            end_to_end: catalog::END_TO_END_SECONDS
                .histograms(registry)
                .with_label_values::<&str>(&[]),
        }
    }

    /// A command came.
    pub fn received(&self, source: Source, redelivered: bool) {
        self.of(source).received.inc();
        self.redelivered.inc_by(redelivered.into());
    }

    /// A command came back from a retry queue.
    pub fn retry_returned(&self) {
        self.retries_returned.inc();
    }

    /// This became of a command; of one that is not retried any more, the dead letter.
    pub fn handled(&self, source: Source, command: Option<CommandKind>, outcome: &Outcome) {
        self.of(source).handled[place_of_command(command)][place_of_outcome(outcome)].inc();
        match outcome {
            Outcome::Rejected(_, refusal) => {
                self.rejected.with_label_values(&[refusal.code()]).inc();
            }
            Outcome::RetryLater(reason) if source == Source::Queue => {
                self.retries.with_label_values(&[reason.as_str()]).inc();
            }
            Outcome::RetryLater(_)
            | Outcome::Accepted(_)
            | Outcome::Duplicate(_)
            | Outcome::DeadLetter(_) => {}
        }
    }

    /// A batch of so many messages is committed, after so long.
    pub fn batch(&self, source: Source, messages: usize, handled: &BatchResult, took: Duration) {
        let of_source = self.of(source);
        of_source.batch_messages.observe(size(messages));
        of_source.batch_seconds.observe(took.as_secs_f64());
        for commit in &handled.commits {
            of_source.commit_seconds.observe(commit.as_secs_f64());
        }
        of_source.conflicts.inc_by(handled.conflicts);
    }

    /// A lane has so many commands of locked orders now, after so many before.
    pub fn parked(&self, source: Source, before: usize, now: usize) {
        let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.of(source).parked.add(gauge(now) - gauge(before));
    }

    /// A command of the queue is done with, so many whole seconds after its publisher's timestamp. A
    /// timestamp of the future counts as now.
    pub fn done_after(&self, seconds: i64) {
        self.end_to_end.observe(f64::from(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)));
    }

    /// Commands that came so far.
    pub fn all_received(&self) -> u64 {
        self.of_source.iter().map(|it| it.received.get()).sum()
    }

    /// In the order of [`OUTCOMES`], over all sources and commands.
    pub(super) fn outcomes(&self) -> [u64; 5] {
        let of_commands = || self.of_source.iter().flat_map(|it| &it.handled);
        array::from_fn(|place| of_commands().map(|outcomes| outcomes[place].get()).sum())
    }

    pub(super) fn batch_messages(&self) -> HistogramSnapshot {
        HistogramSnapshot::of(self.of_source.iter().map(|it| &it.batch_messages))
    }

    pub(super) fn batch_seconds(&self) -> HistogramSnapshot {
        HistogramSnapshot::of(self.of_source.iter().map(|it| &it.batch_seconds))
    }

    fn of(&self, source: Source) -> &OfSource {
        &self.of_source[source as usize]
    }
}

fn place_of_command(command: Option<CommandKind>) -> usize {
    command.map_or(COMMANDS - 1, |command| command as usize)
}

fn place_of_outcome(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Accepted(_) => 0,
        Outcome::Duplicate(_) => 1,
        Outcome::Rejected(..) => 2,
        Outcome::RetryLater(_) => 3,
        Outcome::DeadLetter(_) => 4,
    }
}

fn size(messages: usize) -> f64 {
    f64::from(u32::try_from(messages).unwrap_or(u32::MAX))
}
