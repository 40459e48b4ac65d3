//! Replays, dry runs and decisions that run in the background.
//!
//! Jobs live in the memory of one worker. What they did is in the audit log of each dead letter.

mod job;
mod report;
mod work;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::job::Job;
use super::Actor;
use crate::service_layer::{Clock, StoreError};

pub use job::JobProgress;
pub use report::{JobEnd, JobKind, JobLine, JobReport, MAX_LINES};
pub use work::{decide, dry_run, replay};

/// Maximum dead letters in one job.
pub const MAX_DEAD_LETTERS: u32 = 10_000;

/// Maximum jobs at the same time.
const MAX_RUNNING: usize = 4;

/// Maximum jobs that are remembered; beyond it, the oldest that has ended is forgotten.
const MAX_KEPT: usize = 50;

/// Time for jobs to stop before they are aborted.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// All jobs of a worker; clones share them.
#[derive(Debug, Clone)]
pub struct Jobs {
    kept: Arc<Mutex<Vec<Arc<Job>>>>,
    tasks: TaskTracker,
    /// Cancelled when the worker stops: running jobs stop, and no further one starts.
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
}

/// What a job shall do.
#[derive(Debug, Clone)]
pub struct JobRequest {
    pub kind: JobKind,
    pub actor: Actor,
    /// The dead letters to process, in this order.
    pub ids: Arc<[i64]>,
}

/// Why a job does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    #[error("{MAX_RUNNING} jobs are running already: wait for one of them, or stop one")]
    TooMany,
    #[error("the worker is stopping")]
    Stopping,
}

impl Jobs {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (kept, tasks) = (Arc::default(), TaskTracker::new());
        Self { kept, tasks, stop: CancellationToken::new(), clock }
    }

    /// Starts a job. The work reports each dead letter, ends soon after it is cancelled, and
    /// returns how many it did not try.
    ///
    /// # Errors
    /// When 4 jobs are running, or the worker is stopping.
    pub fn start<W>(
        &self,
        request: JobRequest,
        work: impl FnOnce(JobProgress) -> W,
    ) -> Result<Uuid, NotStarted>
    where
        W: Future<Output = Result<usize, StoreError>> + Send + 'static,
    {
        let job = self.admit(request)?;
        let id = job.id();
        let guard = job::JobGuard::of(job.clone(), self.clock.clone());
        let work = work(JobProgress::of(job.clone()));
        let task = self.tasks.spawn(async move { guard.finish(work.await) });
        job.set_abort_handle(task.abort_handle());
        Ok(id)
    }

    fn admit(&self, request: JobRequest) -> Result<Arc<Job>, NotStarted> {
        let mut kept = self.lock();
        if self.stop.is_cancelled() {
            return Err(NotStarted::Stopping);
        }
        if kept.iter().filter(|job| job.is_running()).count() >= MAX_RUNNING {
            return Err(NotStarted::TooMany);
        }
        if kept.len() >= MAX_KEPT
            && let Some(oldest) = kept.iter().position(|job| !job.is_running())
        {
            kept.remove(oldest);
        }
        let job = Arc::new(Job::new(request, self.clock.now(), self.stop.child_token()));
        kept.push(job.clone());
        Ok(job)
    }

    /// All jobs that are remembered, the latest first.
    pub fn reports(&self) -> Vec<JobReport> {
        self.lock().iter().rev().map(|job| job.report()).collect()
    }

    pub fn report(&self, id: Uuid) -> Option<JobReport> {
        self.find(id).map(|job| job.report())
    }

    /// Asks a job to stop; false when no such job is running.
    pub fn stop(&self, id: Uuid, who: &str) -> bool {
        self.find(id).is_some_and(|job| job.stop(who))
    }

    fn find(&self, id: Uuid) -> Option<Arc<Job>> {
        self.lock().iter().find(|job| job.id() == id).cloned()
    }

    /// Stops all jobs; those that take longer than 10 s are aborted.
    pub async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tasks.wait()).await.is_err() {
            let running = self.lock().iter().filter(|job| job.is_running()).count();
            tracing::warn!(
                running,
                "Dead-letter jobs did not stop in time and are aborted; a dead letter that they were replaying can be replayed again after 2 minutes"
            );
            self.lock().iter().for_each(|job| job.abort());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Job>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
