//! Publishing dead letters to the commands exchange again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::actor::Actor;
use super::dry_run::{DryRun, DryRunOutcome};
use super::publication::publication_of;
use super::replay_schedule::ReplaySchedule;
use super::replayed::Replayed;
use crate::service_layer::dead_letters::{AuditAction, DeadLetterState, DeadLetterStore};
use crate::service_layer::{
    Clock, IdempotencyKey, OrderQueries, Publication, PublishStatus, Publisher, StoreError,
};

/// After this time, somebody who took a dead letter for a replay and did not finish it has died.
const ABANDONED_AFTER: TimeDelta = TimeDelta::minutes(2);

/// Longest wait for a confirm once it is told to stop: a broker that is blocked may never send it.
const LAST_CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// Between two looks for the outcomes of a step.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How a replay goes, and when it stops by itself.
#[derive(Debug, Clone)]
pub struct ReplayLimits {
    pub pace: ReplaySchedule,
    /// Between two messages; none: each step at once.
    pub interval: Option<Duration>,
    pub stop_after_failures: Option<usize>,
    /// A dead letter with so many replays is left alone.
    pub most_replays: u32,
    /// Replays commands that their orders have overtaken as well.
    pub force: bool,
    /// Longest wait for the outcomes of a step.
    pub outcomes_within: Duration,
}

/// How far a replay has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub id: i64,
    pub replayed: Replayed,
}

/// Replays dead letters.
#[derive(Debug)]
pub struct Replay {
    pub dead_letters: Arc<dyn DeadLetterStore>,
    pub orders: Arc<dyn OrderQueries>,
    pub rehearsal: DryRun,
    pub publisher: Box<dyn Publisher>,
    pub clock: Arc<dyn Clock>,
    pub actor: Actor,
    pub limits: ReplayLimits,
    /// Once cancelled, nothing more is published, and outcomes are not waited for any longer.
    pub stop: CancellationToken,
}

/// Published, its outcome not known yet.
struct Awaited {
    id: i64,
    replay: u32,
    intent: Option<IdempotencyKey>,
}

/// The moment before which whoever took a dead letter for a replay has died.
pub fn abandoned_before(now: DateTime<Utc>) -> DateTime<Utc> {
    now - ABANDONED_AFTER
}

impl Replay {
    /// Replays these dead letters, in this order, and no others: what fails again is not taken up
    /// once more. Answers how many were not tried because it stopped before.
    ///
    /// Dropping the future loses nothing: what was taken and not published is open again after some
    /// minutes; what was published and not noted is a copy more, which the inbox tells as a repeat.
    ///
    /// # Errors
    /// When the database is in trouble.
    pub async fn run(
        &mut self,
        ids: &[i64],
        mut tell: impl FnMut(Progress),
    ) -> Result<usize, StoreError> {
        let mut tried = 0;
        let mut failures = 0;
        let sizes: Vec<usize> = self.limits.pace.sizes(ids.len()).collect();
        for size in sizes {
            let mut tell = |progress: Progress| {
                failures += usize::from(progress.replayed.is_failure());
                tell(progress);
            };
            let step = &ids[tried..tried + size];
            let (tried_now, awaited) = self.publish_step(step, &mut tell).await?;
            tried += tried_now;
            self.await_outcomes(awaited, &mut tell).await?;
            let too_many = self.limits.stop_after_failures.is_some_and(|most| failures >= most);
            if too_many || self.stop.is_cancelled() {
                break;
            }
        }
        Ok(ids.len() - tried)
    }

    /// Publishes a step, or as much of it as there is until it is told to stop; answers how many
    /// that were, and whose outcomes are to be awaited.
    async fn publish_step(
        &mut self,
        step: &[i64],
        tell: &mut impl FnMut(Progress),
    ) -> Result<(usize, VecDeque<Awaited>), StoreError> {
        let mut awaited = VecDeque::new();
        for (tried, &id) in step.iter().enumerate() {
            if self.stop.is_cancelled() {
                return Ok((tried, awaited));
            }
            match self.publish(id).await? {
                Ok(published) => awaited.push_back(published),
                Err(replayed) => tell(Progress { id, replayed }),
            }
            // The oldest is the likeliest to be done: a long step shows how far it is.
            self.tell_first(&mut awaited, tell).await?;
            if let Some(interval) = self.limits.interval {
                self.pause(interval).await;
            }
        }
        Ok((step.len(), awaited))
    }

    async fn tell_first(
        &self,
        awaited: &mut VecDeque<Awaited>,
        tell: &mut impl FnMut(Progress),
    ) -> Result<(), StoreError> {
        if let Some(first) = awaited.front()
            && let Some(replayed) = self.outcome(first).await?
        {
            tell(Progress { id: first.id, replayed });
            awaited.pop_front();
        }
        Ok(())
    }

    /// Waits, but not once it is told to stop.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn publish(&mut self, id: i64) -> Result<Result<Awaited, Replayed>, StoreError> {
        let stored = self.dead_letters.dead_letter(id).await?.filter(|stored| match stored.state {
            DeadLetterState::Open | DeadLetterState::Replaying => true,
            DeadLetterState::Replayed | DeadLetterState::Discarded => false,
        });
        let Some(stored) = stored else { return Ok(Err(Replayed::NotOpen)) };
        let foresight = self.rehearsal.of(&stored).await?;
        if matches!(foresight.prospect, DryRunOutcome::Superseded { .. }) && !self.limits.force {
            return Ok(Err(Replayed::Superseded(foresight.prospect.detail())));
        }
        let now = self.clock.now();
        let most = self.limits.most_replays;
        let claimed =
            self.dead_letters.claim_dead_letter(id, most, abandoned_before(now), now).await?;
        let Some(claimed) = claimed else { return Ok(Err(Replayed::NotOpen)) };
        let replay = claimed.replays;
        let refused = self.confirmed(publication_of(&claimed, replay)).await.err();
        let verdict = refused.as_deref().unwrap_or("confirmed");
        let action = self.actor.action(self.clock.now(), AuditAction::Replay, verdict);
        self.dead_letters.finish_replay(id, replay, refused.is_none(), &action).await?;
        Ok(match refused {
            None => Ok(Awaited { id, replay, intent: foresight.intent }),
            Some(reason) => Err(Replayed::Unpublished(reason)),
        })
    }

    /// Publishes one message; the error says why the broker does not have it, or may not.
    async fn confirmed(&mut self, publication: Publication) -> Result<(), String> {
        let stop = self.stop.clone();
        let out_of_time = async {
            stop.cancelled().await;
            sleep(LAST_CONFIRM_WITHIN).await;
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

    async fn await_outcomes(
        &self,
        mut awaited: VecDeque<Awaited>,
        tell: &mut impl FnMut(Progress),
    ) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.limits.outcomes_within;
        while !awaited.is_empty() {
            let is_last = Instant::now() >= deadline || self.stop.is_cancelled();
            let mut open = VecDeque::new();
            for one in awaited {
                match self.outcome(&one).await? {
                    Some(replayed) => tell(Progress { id: one.id, replayed }),
                    None => open.push_back(one),
                }
            }
            awaited = open;
            if is_last {
                break;
            }
            if !awaited.is_empty() {
                self.pause(LOOK_AGAIN).await;
            }
        }
        for one in awaited {
            tell(Progress { id: one.id, replayed: Replayed::NoOutcomeYet });
        }
        Ok(())
    }

    async fn outcome(&self, awaited: &Awaited) -> Result<Option<Replayed>, StoreError> {
        if let Some(stored) = self.dead_letters.dead_letter(awaited.id).await?
            && stored.state == DeadLetterState::Open
            && stored.replays == awaited.replay
        {
            let reason = stored.dead_letter.reason;
            return Ok(Some(Replayed::FailedAgain { code: reason.code, detail: reason.detail }));
        }
        let Some(intent) = &awaited.intent else { return Ok(None) };
        let handled = self.orders.message(&intent.message_id).await?;
        // Of a message id that was used before, the other body has been handled.
        let handled = handled.filter(|handled| handled.body_hash == intent.body_hash);
        Ok(handled.map(|handled| Replayed::Handled {
            outcome: handled.outcome.as_str(),
            code: handled.outcome.code().map(str::to_owned),
        }))
    }
}
