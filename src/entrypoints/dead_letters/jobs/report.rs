//! What a job tells about itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::entrypoints::dead_letters::{Actor, Decision};

/// Most lines of a kind that are kept; what comes after them is only counted.
pub const MAX_LINES: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    Replay,
    DryRun,
    Decision(Decision),
}

/// What became of one dead letter, or would become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLine {
    /// Of the dead letter.
    pub id: i64,
    /// The outcome, as the command line names it.
    pub word: &'static str,
    pub detail: String,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    pub id: Uuid,
    pub kind: JobKind,
    pub actor: Actor,
    /// The dead letters that it is about, in the order in which it takes them up.
    pub ids: Arc<[i64]>,
    pub began_at: DateTime<Utc>,
    /// How many it is through with.
    pub done: usize,
    /// By outcome.
    pub counts: BTreeMap<&'static str, usize>,
    /// How many of those somebody has to look at.
    pub trouble_count: usize,
    /// The first of those that somebody has to look at.
    pub troubles: Vec<JobLine>,
    /// The first of the others.
    pub others: Vec<JobLine>,
    /// Who has it stop.
    pub stopped_by: Option<String>,
    /// None while it runs.
    pub end: Option<(DateTime<Utc>, JobEnd)>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// It is through with all of them.
    Finished,
    /// Too many failed: so many were not tried.
    TooManyFailures { not_tried: usize },
    /// Somebody stopped it, or the worker stopped.
    Stopped { not_tried: usize },
    /// The database did not answer.
    Database,
    /// It broke off.
    Broken,
}

impl JobReport {
    pub fn is_running(&self) -> bool {
        self.end.is_none()
    }
}
