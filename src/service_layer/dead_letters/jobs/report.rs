//! What is known about a job.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::service_layer::dead_letters::{Actor, Decision};

/// Maximum lines that are kept of the problems, and of the others; further ones are only counted.
pub const MAX_LINES: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    Replay,
    DryRun,
    Decision(Decision),
}

/// The outcome for one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLine {
    /// Of the dead letter.
    pub id: i64,
    /// In the words of the command line.
    pub outcome: &'static str,
    pub detail: String,
}

/// A snapshot of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    pub id: Uuid,
    pub kind: JobKind,
    pub actor: Actor,
    /// The dead letters to process, in this order.
    pub ids: Arc<[i64]>,
    pub began_at: DateTime<Utc>,
    /// Dead letters that have been processed.
    pub done: usize,
    /// By outcome.
    pub counts: BTreeMap<&'static str, usize>,
    /// How many of those an operator has to look at.
    pub problem_count: usize,
    /// The first of those that an operator has to look at.
    pub problems: Vec<JobLine>,
    /// The first of the others.
    pub others: Vec<JobLine>,
    /// Who asked for it to stop.
    pub stopped_by: Option<String>,
    /// None while it runs.
    pub end: Option<(DateTime<Utc>, JobEnd)>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// All dead letters were tried.
    Finished,
    /// The limit of failures was reached.
    TooManyFailures { not_tried: usize },
    /// An operator stopped it, or the worker stopped.
    Stopped { not_tried: usize },
    /// The database failed.
    Database,
    /// Its task panicked, or did not stop in time and was aborted.
    Aborted,
}

impl JobReport {
    pub fn is_running(&self) -> bool {
        self.end.is_none()
    }
}
