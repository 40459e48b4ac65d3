//! One job, the handle of its work, and the guard that records its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::JobRequest;
use super::report::{JobEnd, JobLine, JobReport, MAX_LINES};
use crate::service_layer::{Clock, StoreError};

#[derive(Debug)]
pub struct Job {
    report: Mutex<JobReport>,
    stop: CancellationToken,
    task: OnceLock<AbortHandle>,
}

impl Job {
    pub fn new(request: JobRequest, began_at: DateTime<Utc>, stop: CancellationToken) -> Self {
        let JobRequest { kind, actor, ids } = request;
        let report = JobReport {
            id: Uuid::now_v7(),
            kind,
            actor,
            ids,
            began_at,
            done: 0,
            counts: BTreeMap::new(),
            problem_count: 0,
            problems: Vec::new(),
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

    pub fn set_abort_handle(&self, task: AbortHandle) {
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

/// The handle by which a job's work reports each dead letter and notices that it should stop.
#[derive(Debug)]
pub struct JobProgress(Arc<Job>);

impl JobProgress {
    pub(super) fn of(job: Arc<Job>) -> Self {
        Self(job)
    }

    /// Cancelled when the work should stop.
    pub fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// The dead letters of the job.
    pub fn ids(&self) -> Arc<[i64]> {
        self.0.lock().ids.clone()
    }

    /// The dead letters of the job, in turn, until it is stopped.
    pub fn ids_until_stopped(&self) -> impl Iterator<Item = i64> + use<> {
        let (ids, stop) = (self.ids(), self.stop());
        (0..ids.len()).map_while(move |index| (!stop.is_cancelled()).then(|| ids[index]))
    }

    /// Reports one dead letter as processed.
    pub fn add(&self, line: JobLine, is_problem: bool) {
        let mut report = self.0.lock();
        report.done += 1;
        report.problem_count += usize::from(is_problem);
        *report.counts.entry(line.outcome).or_default() += 1;
        let lines = if is_problem { &mut report.problems } else { &mut report.others };
        if lines.len() < MAX_LINES {
            lines.push(line);
        }
    }

    /// Dead letters of the job that have not been reported.
    pub fn not_tried(&self) -> usize {
        let report = self.0.lock();
        report.ids.len().saturating_sub(report.done)
    }
}

/// Records the end of a job, also when its task panics or is aborted.
pub struct JobGuard {
    job: Arc<Job>,
    clock: Arc<dyn Clock>,
}

impl JobGuard {
    pub fn of(job: Arc<Job>, clock: Arc<dyn Clock>) -> Self {
        Self { job, clock }
    }

    /// Ends the job with what its work returned: how many dead letters it did not try.
    pub fn finish(&self, result: Result<usize, StoreError>) {
        let is_stopped = self.job.stop.is_cancelled();
        self.end(match result {
            Ok(0) => JobEnd::Finished,
            Ok(not_tried) if is_stopped => JobEnd::Stopped { not_tried },
            Ok(not_tried) => JobEnd::TooManyFailures { not_tried },
            Err(error) => {
                tracing::warn!(%error, "A dead-letter job ended early: the database failed");
                JobEnd::Database
            }
        });
    }

    fn end(&self, end: JobEnd) {
        let mut report = self.job.lock();
        if report.end.is_some() {
            return;
        }
        let JobReport { id, kind, done, .. } = &*report;
        tracing::info!(job = %id, ?kind, who = report.actor.who, done, ?end, "A dead-letter job has ended");
        report.end = Some((self.clock.now(), end));
    }
}

impl Drop for JobGuard {
    fn drop(&mut self) {
        self.end(JobEnd::Aborted);
    }
}
