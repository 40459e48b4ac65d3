//! One job.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Order;
use super::report::{JobEnd, JobLine, JobReport, MAX_LINES};
use crate::service_layer::{Clock, StoreError};

#[derive(Debug)]
pub struct Job {
    report: Mutex<JobReport>,
    stop: CancellationToken,
    task: OnceLock<AbortHandle>,
}

impl Job {
    pub fn new(order: Order, began_at: DateTime<Utc>, stop: CancellationToken) -> Self {
        let Order { kind, actor, ids } = order;
        let report = JobReport {
            id: Uuid::now_v7(),
            kind,
            actor,
            ids,
            began_at,
            done: 0,
            counts: BTreeMap::new(),
            trouble_count: 0,
            troubles: Vec::new(),
            others: Vec::new(),
            stopped_by: None,
            end: None,
        };
        Self { report: Mutex::new(report), stop, task: OnceLock::new() }
    }

    pub fn id(&self) -> Uuid {
        self.lock().id
    }

    pub fn report(&self) -> JobReport {
        self.lock().clone()
    }

    pub fn is_running(&self) -> bool {
        self.lock().is_running()
    }

    pub fn stop(&self, who: &str) -> bool {
        let mut report = self.lock();
        if !report.is_running() {
            return false;
        }
        report.stopped_by.get_or_insert_with(|| who.to_owned());
        self.stop.cancel();
        true
    }

    pub fn can_be_aborted(&self, task: AbortHandle) {
        // A job has one task.
        let _ = self.task.set(task);
    }

    pub fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, JobReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By which a job's work tells what becomes of each dead letter, and is told to stop.
#[derive(Debug)]
pub struct Note(Arc<Job>);

impl Note {
    pub(super) fn of(job: Arc<Job>) -> Self {
        Self(job)
    }

    /// Cancelled when the work is to end.
    pub fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Whether anybody has to look at it is up to the work.
    pub fn add(&self, line: JobLine, is_trouble: bool) {
        let mut report = self.0.lock();
        report.done += 1;
        report.trouble_count += usize::from(is_trouble);
        *report.counts.entry(line.word).or_default() += 1;
        let lines = if is_trouble { &mut report.troubles } else { &mut report.others };
        if lines.len() < MAX_LINES {
            lines.push(line);
        }
    }
}

/// Notes the end of a job, however its task ends.
pub struct JobGuard {
    job: Arc<Job>,
    clock: Arc<dyn Clock>,
}

impl JobGuard {
    pub fn of(job: Arc<Job>, clock: Arc<dyn Clock>) -> Self {
        Self { job, clock }
    }

    /// With what the work answered.
    pub fn with(&self, answered: Result<usize, StoreError>) {
        let is_stopped = self.job.stop.is_cancelled();
        self.note(match answered {
            Ok(0) => JobEnd::Finished,
            Ok(not_tried) if is_stopped => JobEnd::Stopped { not_tried },
            Ok(not_tried) => JobEnd::TooManyFailures { not_tried },
            Err(error) => {
                tracing::warn!(%error, "A job with dead letters ended early");
                JobEnd::Database
            }
        });
    }

    fn note(&self, end: JobEnd) {
        let mut report = self.job.lock();
        if report.end.is_some() {
            return;
        }
        let JobReport { id, kind, done, .. } = &*report;
        tracing::info!(job = %id, ?kind, who = report.actor.who, done, ?end, "A job has ended");
        report.end = Some((self.clock.now(), end));
    }
}

impl Drop for JobGuard {
    fn drop(&mut self) {
        self.note(JobEnd::Broken);
    }
}
