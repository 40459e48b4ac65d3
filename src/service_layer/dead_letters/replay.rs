//! Publishes dead letters to the commands exchange again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::actor::Actor;
use super::dry_run::{DryRun, DryRunOutcome};
use super::publication::publication_of;
use super::replay_outcome::ReplayOutcome;
use super::replay_schedule::ReplaySchedule;
use crate::messages::{IdempotencyKey, Publication, PublishStatus};
use crate::service_layer::dead_letters::{AuditAction, DeadLetterState, DeadLetterStore};
use crate::service_layer::{Clock, OrderQueries, Publisher, StoreError};

/// A replay that claimed a dead letter and has not finished it after this time counts as crashed.
const CLAIM_TIMEOUT: TimeDelta = TimeDelta::minutes(2);

/// Maximum wait for a confirm after the stop: a blocked broker may never send it.
const LAST_CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two polls for the outcomes of a step.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How fast a replay goes, and when it stops by itself.
#[derive(Debug, Clone)]
pub struct ReplayLimits {
    pub schedule: ReplaySchedule,
    /// Between two messages; none: no pause within a step.
    pub interval: Option<Duration>,
    /// Checked after each step.
    pub stop_after_failures: Option<usize>,
    /// A dead letter that was replayed this often is skipped.
    pub max_replays: u32,
    /// Replays superseded commands as well.
    pub force: bool,
    /// Maximum wait for the outcomes of a step.
    pub outcome_timeout: Duration,
}

/// A dead letter that was replayed or skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayResult {
    pub id: i64,
    pub outcome: ReplayOutcome,
}

/// Replays dead letters.
#[derive(Debug)]
pub struct Replay {
    pub dead_letters: Arc<dyn DeadLetterStore>,
    pub orders: Arc<dyn OrderQueries>,
    pub dry_run: DryRun,
    pub publisher: Box<dyn Publisher>,
    pub clock: Arc<dyn Clock>,
    pub actor: Actor,
    pub limits: ReplayLimits,
    /// Once cancelled, nothing more is published, and outcomes are not waited for any longer.
    pub stop: CancellationToken,
}

/// Published; the outcome is not known yet.
struct Awaited {
    id: i64,
    replay: u32,
    idempotency_key: Option<IdempotencyKey>,
}

/// A replay that claimed a dead letter before this time counts as crashed.
pub fn abandoned_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now - CLAIM_TIMEOUT
}

impl Replay {
    /// Replays these dead letters, in this order; what fails again is not tried once more. Reports
    /// each outcome, and returns how many were not tried because the replay stopped.
    ///
    /// Dropping the future loses nothing: what was claimed and not published can be claimed again
    /// after 2 minutes; what was published and not recorded is published once more then, and the
    /// inbox recognizes the duplicate.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(
        &mut self,
        ids: &[i64],
        mut report: impl FnMut(ReplayResult),
    ) -> Result<usize, StoreError> {
        let mut tried = 0;
        let mut failures = 0;
        let sizes: Vec<usize> = self.limits.schedule.sizes(ids.len()).collect();
        for size in sizes {
            let mut report = |result: ReplayResult| {
                failures += usize::from(result.outcome.is_failure());
                report(result);
            };
            let step = &ids[tried..tried + size];
            let (tried_now, awaited) = self.publish_step(step, &mut report).await?;
            tried += tried_now;
            self.await_outcomes(awaited, &mut report).await?;
            let too_many = self.limits.stop_after_failures.is_some_and(|max| failures >= max);
            if too_many || self.stop.is_cancelled() {
                break;
            }
        }
        Ok(ids.len() - tried)
    }

    /// Publishes a step, or part of it when it is stopped. Returns how many dead letters it tried,
    /// and those whose outcomes are to be awaited.
    async fn publish_step(
        &mut self,
        step: &[i64],
        report: &mut impl FnMut(ReplayResult),
    ) -> Result<(usize, VecDeque<Awaited>), StoreError> {
        let mut awaited = VecDeque::new();
        for (tried, &id) in step.iter().enumerate() {
            if self.stop.is_cancelled() {
                return Ok((tried, awaited));
            }
            match self.publish(id).await? {
                Ok(published) => awaited.push_back(published),
                Err(outcome) => report(ReplayResult { id, outcome }),
            }
            // The oldest is the likeliest to be processed: a long step shows its progress.
            self.report_first(&mut awaited, report).await?;
            if let Some(interval) = self.limits.interval {
                self.pause(interval).await;
            }
        }
        Ok((step.len(), awaited))
    }

    async fn report_first(
        &self,
        awaited: &mut VecDeque<Awaited>,
        report: &mut impl FnMut(ReplayResult),
    ) -> Result<(), StoreError> {
        if let Some(first) = awaited.front()
            && let Some(outcome) = self.outcome(first).await?
        {
            report(ReplayResult { id: first.id, outcome });
            awaited.pop_front();
        }
        Ok(())
    }

    /// Waits, or returns as soon as the replay is stopped.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn publish(&mut self, id: i64) -> Result<Result<Awaited, ReplayOutcome>, StoreError> {
        let record = self.dead_letters.dead_letter(id).await?.filter(|record| match record.state {
            DeadLetterState::Open | DeadLetterState::Replaying => true,
            DeadLetterState::Replayed | DeadLetterState::Discarded => false,
        });
        let Some(record) = record else { return Ok(Err(ReplayOutcome::NotOpen)) };
        let dry_run = self.dry_run.of(&record).await?;
        if matches!(dry_run.outcome, DryRunOutcome::Superseded { .. }) && !self.limits.force {
            return Ok(Err(ReplayOutcome::Superseded(dry_run.outcome.detail())));
        }
        let now = self.clock.now();
        let max = self.limits.max_replays;
        let claimed =
            self.dead_letters.claim_dead_letter(id, max, abandoned_before(now), now).await?;
        let Some(claimed) = claimed else { return Ok(Err(ReplayOutcome::NotOpen)) };
        let replay = claimed.replays;
        let unpublished = self.publish_confirmed(publication_of(&claimed, replay)).await.err();
        let verdict = unpublished.as_deref().unwrap_or("confirmed");
        let audit_entry = self.actor.audit_entry(self.clock.now(), AuditAction::Replay, verdict);
        self.dead_letters.finish_replay(id, replay, unpublished.is_none(), &audit_entry).await?;
        Ok(match unpublished {
            None => Ok(Awaited { id, replay, idempotency_key: dry_run.idempotency_key }),
            Some(reason) => Err(ReplayOutcome::Unpublished(reason)),
        })
    }

    /// Publishes one message and waits for its confirm; the error says why there is none.
    async fn publish_confirmed(&mut self, publication: Publication) -> Result<(), String> {
        let stop = self.stop.clone();
        let out_of_time = async {
            stop.cancelled().await;
            sleep(LAST_CONFIRM_TIMEOUT).await;
        };
        let confirmations = tokio::select! {
            confirmations = self.publisher.publish(std::slice::from_ref(&publication)) => confirmations,
            () = out_of_time => return Err("the replay was stopped before the broker confirmed it".to_owned()),
        };
        match confirmations.map_err(|error| error.to_string())?.first() {
            Some(PublishStatus::Confirmed) => Ok(()),
            Some(PublishStatus::Unroutable) => {
                Err("no queue takes commands with this routing key".to_owned())
            }
            Some(PublishStatus::Unconfirmed) => {
                Err("the broker did not confirm it; it may have been published".to_owned())
            }
            Some(PublishStatus::Refused | PublishStatus::OwnQueue) | None => {
                Err("the broker refused it".to_owned())
            }
        }
    }

    /// Waits until all outcomes are known, or the time is over, or the replay is stopped.
    async fn await_outcomes(
        &self,
        mut awaited: VecDeque<Awaited>,
        report: &mut impl FnMut(ReplayResult),
    ) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.limits.outcome_timeout;
        while !awaited.is_empty() {
            let is_last = Instant::now() >= deadline || self.stop.is_cancelled();
            let mut open = VecDeque::new();
            for one in awaited {
                match self.outcome(&one).await? {
                    Some(outcome) => report(ReplayResult { id: one.id, outcome }),
                    None => open.push_back(one),
                }
            }
            awaited = open;
            if is_last {
                break;
            }
            if !awaited.is_empty() {
                self.pause(POLL_INTERVAL).await;
            }
        }
        for one in awaited {
            report(ReplayResult { id: one.id, outcome: ReplayOutcome::NoOutcomeYet });
        }
        Ok(())
    }

    async fn outcome(&self, awaited: &Awaited) -> Result<Option<ReplayOutcome>, StoreError> {
        if let Some(record) = self.dead_letters.dead_letter(awaited.id).await?
            && record.state == DeadLetterState::Open
            && record.replays == awaited.replay
        {
            let reason = record.dead_letter.reason;
            return Ok(Some(ReplayOutcome::FailedAgain {
                code: reason.code,
                detail: reason.detail,
            }));
        }
        let Some(key) = &awaited.idempotency_key else { return Ok(None) };
        let handled = self.orders.message(&key.message_id).await?;
        // Where the message id was used before, the entry belongs to another body.
        let handled = handled.filter(|handled| handled.body_hash == key.body_hash);
        Ok(handled.map(|handled| ReplayOutcome::Handled {
            outcome: handled.outcome.as_str(),
            code: handled.outcome.code().map(str::to_owned),
        }))
    }
}
