//! The state of the worker's connections to its servers, as its components report it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::RelayHolder;
use super::log_throttle::LogThrottle;
use super::outage_reasons::OutageReasons;
use crate::messages::{ConsumedQueue, DropReason, OutboxEntry, PublishStatus, Target};
use crate::metrics::{Metrics, Pause};

/// The worker that holds the relay lock runs a query every few seconds. A holder that is idle for
/// this long is not a working relay.
const IDLE_HOLDER: Duration = Duration::from_secs(60);

/// Collects what the components of a worker report about the servers: logs each change once, and
/// updates the metrics. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    /// Created on first use, because there are many.
    metrics: OnceLock<Metrics>,
    stop: OnceLock<CancellationToken>,
    kept_events: LogThrottle,
    failed_copies: LogThrottle,
    dropped_replies: LogThrottle,
}

#[derive(Debug, Default)]
struct State {
    outages: Outages,
    /// What is logged of each outage.
    reasons: Vec<(Pause, OutageReasons)>,
    is_consuming_commands: bool,
    relay: RelayRole,
    /// The last one that was logged.
    newer_schema: Option<i64>,
}

/// What to log of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Started,
    OtherReason,
}

/// Which session is the relay, which publishes the messages left in the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RelayRole {
    /// Not determined yet.
    #[default]
    Unknown,
    ThisWorker,
    /// Another session holds the lock, usually that of another worker.
    Another(Option<RelayHolder>),
}

/// The current outages, each with its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outages {
    pub database: Option<String>,
    pub consuming: Option<String>,
    /// Dead letters stay in their queue. Commands are not affected.
    pub collecting: Option<String>,
    pub publishing: Option<String>,
    /// The broker blocks publishing connections.
    pub blocked: Option<String>,
}

impl RelayRole {
    /// Whether the holder of the lock has been idle for too long.
    pub fn is_idle(&self) -> bool {
        matches!(self, Self::Another(Some(holder)) if holder.idle >= IDLE_HOLDER)
    }

    fn is_held_by(&self, session: i32) -> bool {
        matches!(self, Self::Another(Some(holder)) if holder.session == session)
    }
}

impl Outages {
    pub fn none(&self) -> bool {
        *self == Self::default()
    }

    fn of(&mut self, pause: Pause) -> &mut Option<String> {
        match pause {
            Pause::Database => &mut self.database,
            Pause::Consuming => &mut self.consuming,
            Pause::Collecting => &mut self.collecting,
            Pause::Publishing => &mut self.publishing,
            Pause::Blocked => &mut self.blocked,
        }
    }
}

impl Health {
    pub fn outages(&self) -> Outages {
        self.lock().outages.clone()
    }

    /// Whether the broker has confirmed this worker as a consumer of commands, and the consumer is
    /// still active.
    pub fn is_consuming_commands(&self) -> bool {
        self.lock().is_consuming_commands
    }

    pub fn metrics(&self) -> &Metrics {
        self.0.metrics.get_or_init(Metrics::new)
    }

    /// The token whose cancellation stops the worker. Only the first call has an effect.
    pub fn stops_with(&self, stop: CancellationToken) {
        let _ = self.0.stop.set(stop);
    }

    /// Whether the worker has been asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.0.stop.get().is_some_and(CancellationToken::is_cancelled)
    }

    pub fn relay_role(&self) -> RelayRole {
        self.lock().relay.clone()
    }

    /// This worker holds the relay lock.
    pub fn relay_acquired(&self) {
        let before = std::mem::replace(&mut self.lock().relay, RelayRole::ThisWorker);
        if before != RelayRole::ThisWorker {
            tracing::info!("This worker is the relay of the outbox");
        }
    }

    /// Another session holds the relay lock.
    pub fn relay_held_by(&self, holder: Option<RelayHolder>) {
        let relay = RelayRole::Another(holder);
        let before = std::mem::replace(&mut self.lock().relay, relay.clone());
        let RelayRole::Another(Some(holder)) = &relay else { return };
        let RelayHolder { session, application, client, idle } = holder;
        let idle_seconds = idle.as_secs();
        if relay.is_idle() && !(before.is_idle() && before.is_held_by(*session)) {
            tracing::warn!(
                session,
                application,
                client,
                idle_seconds,
                "The relay lock is held by an idle session; messages left in the outbox are not \
                 published until that session ends"
            );
        } else if !before.is_held_by(*session) {
            tracing::info!(
                session,
                application,
                client,
                "Another worker is the relay of the outbox; this worker is on standby"
            );
        }
    }

    /// The schema has this version, of which a newer program may know more than this one. Logged once
    /// for each newer version.
    pub fn has_schema(&self, applied: Option<i64>, known: i64) {
        let Some(version) = applied.filter(|version| *version > known) else { return };
        if self.lock().newer_schema.replace(version) != applied {
            tracing::info!(
                version,
                known,
                "A newer program has migrated the database; this one can use it"
            );
        }
    }

    pub fn database_up(&self) {
        if self.outage_ended(Pause::Database) {
            tracing::info!("Database is available again, processing resumes");
        }
    }

    pub fn database_down(&self, reason: &str) {
        match self.note_outage(Pause::Database, reason) {
            Some(News::Started) => {
                tracing::warn!(reason, "Database is unavailable, processing is paused");
            }
            Some(News::OtherReason) => {
                tracing::warn!(reason, "Database is still unavailable, for another reason");
            }
            None => {}
        }
    }

    pub fn consumer_started(&self, queue: ConsumedQueue) {
        self.set_consuming(queue, true);
        if self.outage_ended(pause_of(queue)) {
            tracing::info!("Consuming {} again", label(queue));
        }
    }

    pub fn consumer_failed(&self, queue: ConsumedQueue, reason: &str) {
        self.set_consuming(queue, false);
        match self.note_outage(pause_of(queue), reason) {
            Some(News::Started) => {
                tracing::warn!(reason, "Cannot consume {}, retrying", label(queue));
            }
            Some(News::OtherReason) => {
                let queue = label(queue);
                tracing::warn!(reason, "Still cannot consume {queue}, for another reason");
            }
            None => {}
        }
    }

    /// The consumer was cancelled on shutdown: not an outage.
    pub fn consumer_stopped(&self, queue: ConsumedQueue) {
        self.set_consuming(queue, false);
    }

    pub fn publishing_up(&self) {
        if self.outage_ended(Pause::Publishing) {
            tracing::info!("Publishing messages again");
        }
    }

    pub fn publishing_down(&self, reason: &str) {
        match self.note_outage(Pause::Publishing, reason) {
            Some(News::Started) => tracing::warn!(reason, "Cannot publish messages, retrying"),
            Some(News::OtherReason) => {
                tracing::warn!(reason, "Still cannot publish messages, for another reason");
            }
            None => {}
        }
    }

    /// The broker confirmed, returned or refused an event, or did not respond.
    pub fn record_event_status(&self, event: &OutboxEntry, target: &Target, status: PublishStatus) {
        let publishing = &self.metrics().publishing;
        match status {
            PublishStatus::Confirmed => {}
            PublishStatus::Unroutable => {
                if publishing.unroutable_events() == 0 {
                    let (event_id, order_id) = (event.key.event_id, &event.key.order_id);
                    let kind = event.kind.type_name();
                    tracing::info!(%event_id, %order_id, kind, "An event has no subscriber; further ones are only counted");
                }
            }
            PublishStatus::Refused | PublishStatus::Unconfirmed | PublishStatus::OwnQueue => {
                if let Some(events) = self.0.kept_events.add(1) {
                    tracing::warn!(
                        routing_key = %target.name(),
                        status = status.as_str(),
                        events,
                        "Events were not confirmed; they stay in the outbox and are retried"
                    );
                }
            }
        }
        publishing.record_status(event.kind, status);
    }

    /// A copy of a command, for a retry queue or the dead letters, was not confirmed and will be
    /// published again.
    pub fn record_copy_failure(&self, target: &Target, status: PublishStatus) {
        self.metrics().publishing.record_copy_failure(status);
        if let Some(copies) = self.0.failed_copies.add(1) {
            tracing::warn!(
                to = %target.name(),
                status = status.as_str(),
                copies,
                "Copies of commands were not confirmed; they are retried, the commands stay unacknowledged"
            );
        }
    }

    pub fn record_dropped_reply(&self, target: &Target, reason: DropReason) {
        self.metrics().publishing.record_dropped_reply(reason);
        if let Some(replies) = self.0.dropped_replies.add(1) {
            let (reply_to, reason) = (target.name(), reason.as_str());
            tracing::warn!(%reply_to, reason, replies, "Replies were dropped");
        }
    }

    pub fn publishing_blocked(&self) {
        if self.note_outage(Pause::Blocked, "memory or disk alarm").is_some() {
            tracing::warn!("The broker blocks publishing (memory or disk alarm)");
        }
    }

    pub fn publishing_unblocked(&self) {
        if self.outage_ended(Pause::Blocked) {
            tracing::info!("The broker accepts publishing again");
        }
    }

    /// Returns what to log of the outage. The metrics change under the lock, so that they cannot
    /// differ from the state.
    fn note_outage(&self, pause: Pause, reason: &str) -> Option<News> {
        let mut state = self.lock();
        if state.outages.of(pause).replace(reason.to_owned()).is_none() {
            state.reasons.retain(|(of, _)| *of != pause);
            state.reasons.push((pause, OutageReasons::new(reason)));
            self.metrics().state.paused(pause);
            return Some(News::Started);
        }
        let (_, reasons) = state.reasons.iter_mut().find(|(of, _)| *of == pause)?;
        reasons.is_news(reason).then_some(News::OtherReason)
    }

    /// Returns whether there was an outage.
    fn outage_ended(&self, pause: Pause) -> bool {
        let mut state = self.lock();
        let was_out = state.outages.of(pause).take().is_some();
        if was_out {
            self.metrics().state.resumed(pause);
        }
        was_out
    }

    fn set_consuming(&self, queue: ConsumedQueue, is_consuming: bool) {
        let mut state = self.lock();
        self.metrics().state.set_consuming(queue, is_consuming);
        match queue {
            ConsumedQueue::Commands => state.is_consuming_commands = is_consuming,
            ConsumedQueue::DeadLetters => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn label(queue: ConsumedQueue) -> &'static str {
    match queue {
        ConsumedQueue::Commands => "commands",
        ConsumedQueue::DeadLetters => "dead letters",
    }
}

fn pause_of(queue: ConsumedQueue) -> Pause {
    match queue {
        ConsumedQueue::Commands => Pause::Consuming,
        ConsumedQueue::DeadLetters => Pause::Collecting,
    }
}
