//! Metrics of commands and their batches.

use std::array;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Registry};
use strum::EnumCount;

use super::{HistogramSnapshot, catalog};
use crate::domain::{CommandKind, Rejection};
use crate::messages::{BatchResult, Outcome, RetryReason};

/// Where a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum Source {
    Queue,
    Http,
}

impl Source {
    pub const ALL: [Self; Self::COUNT] = [Self::Queue, Self::Http];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Http => "http",
        }
    }
}

/// The number of kinds of commands, plus one for unknown ones.
const COMMANDS: usize = CommandKind::ALL.len() + 1;

/// The values of [`Outcome::as_str`].
pub const OUTCOMES: [&str; 5] =
    ["accepted", "duplicate", "rejected", "retry_later", "dead_lettered"];

/// The metrics of commands and their batches.
///
/// Counters that change for each message are looked up once, so that counting is a single addition.
#[derive(Debug)]
pub struct Commands {
    by_source: [SourceMetrics; 2],
    redelivered: IntCounter,
    rejected: IntCounterVec,
    retries: IntCounterVec,
    retries_returned: IntCounter,
    end_to_end: Histogram,
}

#[derive(Debug)]
struct SourceMetrics {
    received: IntCounter,
    /// Indexed by command, then by outcome.
    handled: [[IntCounter; 5]; COMMANDS],
    batch_messages: Histogram,
    batch_seconds: Histogram,
    commit_seconds: Histogram,
    conflicts: IntCounter,
    parked: IntGauge,
}

impl Commands {
    pub(super) fn new(registry: &Registry) -> Self {
        let received = catalog::RECEIVED.counters(registry);
        let handled = catalog::HANDLED.counters(registry);
        let batch_messages = catalog::BATCH_MESSAGES.histograms(registry);
        let batch_seconds = catalog::BATCH_SECONDS.histograms(registry);
        let commit_seconds = catalog::COMMIT_SECONDS.histograms(registry);
        let conflicts = catalog::CONFLICTS.counters(registry);
        let parked = catalog::PARKED.gauges(registry);
        let by_source = Source::ALL.map(|source| SourceMetrics {
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
            by_source,
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

    /// A command was received.
    pub fn received(&self, source: Source, redelivered: bool) {
        self.of(source).received.inc();
        self.redelivered.inc_by(redelivered.into());
    }

    /// Counts a command that came back from a retry queue.
    pub fn retry_returned(&self) {
        self.retries_returned.inc();
    }

    /// Counts the outcome of a command. After the last retry, that is the dead letter.
    pub fn handled(&self, source: Source, command: Option<CommandKind>, outcome: &Outcome) {
        self.of(source).handled[index_of_command(command)][index_of_outcome(outcome)].inc();
        match outcome {
            Outcome::Rejected(_, rejection) => {
                self.rejected.with_label_values(&[rejection.code()]).inc();
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

    /// A batch of `messages` messages was committed; `took` from its start.
    pub fn batch(&self, source: Source, messages: usize, handled: &BatchResult, took: Duration) {
        let metrics = self.of(source);
        metrics.batch_messages.observe(size(messages));
        metrics.batch_seconds.observe(took.as_secs_f64());
        for commit in &handled.commits {
            metrics.commit_seconds.observe(commit.as_secs_f64());
        }
        metrics.conflicts.inc_by(handled.conflicts);
    }

    /// The number of parked commands of a lane changed.
    pub fn parked(&self, source: Source, before: usize, now: usize) {
        let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.of(source).parked.add(gauge(now) - gauge(before));
    }

    /// A command from the queue was completed this many seconds after its publisher's timestamp. A
    /// timestamp in the future counts as now.
    pub fn observe_end_to_end(&self, seconds: i64) {
        self.end_to_end.observe(f64::from(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)));
    }

    /// Commands received so far, from all sources.
    pub fn total_received(&self) -> u64 {
        self.by_source.iter().map(|it| it.received.get()).sum()
    }

    /// In the order of [`OUTCOMES`], over all sources and commands.
    pub(super) fn outcomes(&self) -> [u64; 5] {
        let of_commands = || self.by_source.iter().flat_map(|it| &it.handled);
        array::from_fn(|index| of_commands().map(|outcomes| outcomes[index].get()).sum())
    }

    pub(super) fn batch_messages(&self) -> HistogramSnapshot {
        HistogramSnapshot::of(self.by_source.iter().map(|it| &it.batch_messages))
    }

    pub(super) fn batch_seconds(&self) -> HistogramSnapshot {
        HistogramSnapshot::of(self.by_source.iter().map(|it| &it.batch_seconds))
    }

    fn of(&self, source: Source) -> &SourceMetrics {
        &self.by_source[source as usize]
    }
}

fn index_of_command(command: Option<CommandKind>) -> usize {
    command.map_or(COMMANDS - 1, |command| command as usize)
}

fn index_of_outcome(outcome: &Outcome) -> usize {
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
