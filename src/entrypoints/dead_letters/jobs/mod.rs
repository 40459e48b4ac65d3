//! Replays and dry runs that go on while nobody waits for them.
//!
//! They are kept in the memory of one worker: what they did is in the record of each dead letter.

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

pub use job::Note;
pub use report::{JobEnd, JobKind, JobLine, JobReport, MAX_LINES};
pub use work::{decide, rehearse, replay};

/// Most dead letters of one job.
pub const MAX_DEAD_LETTERS: u32 = 10_000;

/// Most jobs at the same time.
const MAX_RUNNING: usize = 4;

/// Most jobs that are remembered; one more has the oldest that has ended forgotten.
const MAX_KEPT: usize = 50;

/// Longest wait for jobs that were told to stop.
const END_WITHIN: Duration = Duration::from_secs(10);

/// All jobs of a worker; clones share them.
#[derive(Debug, Clone)]
pub struct Jobs {
    kept: Arc<Mutex<Vec<Arc<Job>>>>,
    tasks: TaskTracker,
    /// Cancelled when the worker stops: no job begins any more, and all that run stop.
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
}

/// What somebody has the worker do.
#[derive(Debug, Clone)]
pub struct Order {
    pub kind: JobKind,
    pub actor: Actor,
    /// The dead letters that it is about, in the order in which it takes them up.
    pub ids: Arc<[i64]>,
}

/// Why a job does not begin.
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

    /// Begins a job. The work notes what becomes of each dead letter, ends soon once it is told to
    /// stop, and answers how many it did not try.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub fn start<W>(&self, order: Order, work: impl FnOnce(Note) -> W) -> Result<Uuid, NotStarted>
    where
        W: Future<Output = Result<usize, StoreError>> + Send + 'static,
    {
        let job = self.admit(order)?;
        let id = job.id();
        let ending = job::JobGuard::of(job.clone(), self.clock.clone());
        let work = work(Note::of(job.clone()));
        let task = self.tasks.spawn(async move { ending.with(work.await) });
        job.can_be_aborted(task.abort_handle());
        Ok(id)
    }

    fn admit(&self, order: Order) -> Result<Arc<Job>, NotStarted> {
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
        let job = Arc::new(Job::new(order, self.clock.now(), self.stop.child_token()));
        kept.push(job.clone());
        Ok(job)
    }

    /// All that are remembered, the one that began last first.
    pub fn reports(&self) -> Vec<JobReport> {
        self.lock().iter().rev().map(|job| job.report()).collect()
    }

    pub fn report(&self, id: Uuid) -> Option<JobReport> {
        self.find(id).map(|job| job.report())
    }

    /// Has a job stop soon; false when there is none that runs.
    pub fn stop(&self, id: Uuid, who: &str) -> bool {
        self.find(id).is_some_and(|job| job.stop(who))
    }

    fn find(&self, id: Uuid) -> Option<Arc<Job>> {
        self.lock().iter().find(|job| job.id() == id).cloned()
    }

    /// Stops all jobs and waits until they have, for at most 10 s.
    pub async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(END_WITHIN, self.tasks.wait()).await.is_err() {
            let running = self.lock().iter().filter(|job| job.is_running()).count();
            tracing::warn!(
                running,
                "Jobs are broken off; what they had in hand is free again soon"
            );
            self.lock().iter().for_each(|job| job.abort());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Job>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
