//! What the parts of a worker tell of themselves: whether they can work, and what they count.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::RelayHolder;
use super::log_throttle::LogThrottle;
use super::outage_reasons::OutageReasons;
use crate::messages::{ConsumedQueue, DropReason, OutboxEntry, PublishStatus, Target};
use crate::metrics::{Metrics, Pause};

/// A worker's session with the relay's lock gives a sign of life every few seconds. One that is idle
/// for so long is something else.
const IDLE_HOLDER: Duration = Duration::from_secs(60);

/// What the parts of a worker know of the servers they need, said once when it changes, and what they
/// count; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    state: Mutex<State>,
    /// Made when somebody counts: they are many.
    metrics: OnceLock<Metrics>,
    stop: OnceLock<CancellationToken>,
    kept_events: LogThrottle,
    kept_copies: LogThrottle,
    dropped_replies: LogThrottle,
}

#[derive(Debug, Default)]
struct State {
    troubles: Outages,
    /// What is logged of each outage.
    reasons: Vec<(Pause, OutageReasons)>,
    consumes_commands: bool,
    relay: RelayRole,
}

/// What to log of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Begins,
    OtherReason,
}

/// Who publishes what a crash left in the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RelayRole {
    /// It has not been tried yet.
    #[default]
    Unknown,
    ThisWorker,
    /// Another session has the lock: another worker's, as it should be.
    Another(Option<RelayHolder>),
}

/// Why the worker is paused, as far as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outages {
    pub database: Option<String>,
    pub consuming: Option<String>,
    /// Dead letters wait in their queue; commands are not concerned.
    pub collecting: Option<String>,
    pub publishing: Option<String>,
    /// The broker takes nothing from those that publish.
    pub blocked: Option<String>,
}

impl RelayRole {
    /// Whether the lock is held by a session that gives no sign of life.
    pub fn is_idle(&self) -> bool {
        matches!(self, Self::Another(Some(holder)) if holder.idle >= IDLE_HOLDER)
    }

    fn is_of(&self, session: i32) -> bool {
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
    pub fn troubles(&self) -> Outages {
        self.lock().troubles.clone()
    }

    /// Whether the broker has confirmed this worker as a consumer of commands, and it still is one.
    pub fn consumes_commands(&self) -> bool {
        self.lock().consumes_commands
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

    pub fn relay(&self) -> RelayRole {
        self.lock().relay.clone()
    }

    pub fn relays(&self) {
        let before = std::mem::replace(&mut self.lock().relay, RelayRole::ThisWorker);
        if before != RelayRole::ThisWorker {
            tracing::info!("This worker is the relay of the outbox");
        }
    }

    /// Another session has the relay's lock, and this worker waits for it.
    pub fn another_relays(&self, holder: Option<RelayHolder>) {
        let relay = RelayRole::Another(holder);
        let before = std::mem::replace(&mut self.lock().relay, relay.clone());
        let RelayRole::Another(Some(holder)) = &relay else { return };
        let RelayHolder { session, application, client, idle } = holder;
        let idle_seconds = idle.as_secs();
        if relay.is_idle() && !(before.is_idle() && before.is_of(*session)) {
            tracing::warn!(
                session,
                application,
                client,
                idle_seconds,
                "The relay's lock is held by a session that does nothing; what a crash left in the \
                 outbox waits until it ends"
            );
        } else if !before.is_of(*session) {
            tracing::info!(
                session,
                application,
                client,
                "Another worker is the relay of the outbox, this one stands by"
            );
        }
    }

    pub fn database_answers(&self) {
        if self.ends(Pause::Database) {
            tracing::info!("Database answers again, work resumes");
        }
    }

    pub fn database_in_trouble(&self, reason: &str) {
        match self.note(Pause::Database, reason) {
            Some(News::Begins) => {
                tracing::warn!(reason, "Database is in trouble, work pauses until it answers");
            }
            Some(News::OtherReason) => {
                tracing::warn!(reason, "Database is still unavailable, for another reason");
            }
            None => {}
        }
    }

    pub fn consumes(&self, queue: ConsumedQueue) {
        self.note_consumer(queue, true);
        if self.ends(pause_of(queue)) {
            tracing::info!("{} are consumed again", name(queue));
        }
    }

    pub fn cannot_consume(&self, queue: ConsumedQueue, reason: &str) {
        self.note_consumer(queue, false);
        match self.note(pause_of(queue), reason) {
            Some(News::Begins) => {
                tracing::warn!(reason, "{} cannot be consumed, retrying", name(queue));
            }
            Some(News::OtherReason) => {
                let queue = name(queue);
                tracing::warn!(reason, "{queue} still cannot be consumed, for another reason");
            }
            None => {}
        }
    }

    /// In good order, as the worker stops.
    pub fn consumes_no_more(&self, queue: ConsumedQueue) {
        self.note_consumer(queue, false);
    }

    pub fn publishes(&self) {
        if self.ends(Pause::Publishing) {
            tracing::info!("Messages are published again");
        }
    }

    pub fn cannot_publish(&self, reason: &str) {
        match self.note(Pause::Publishing, reason) {
            Some(News::Begins) => tracing::warn!(reason, "Messages cannot be published, retrying"),
            Some(News::OtherReason) => {
                tracing::warn!(reason, "Messages still cannot be published, for another reason");
            }
            None => {}
        }
    }

    /// The broker judged an event.
    pub fn event_judged(&self, event: &OutboxEntry, target: &Target, status: PublishStatus) {
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
                        "Events were not taken: they stay in the outbox and are tried again"
                    );
                }
            }
        }
        publishing.judged(event.kind, status);
    }

    /// A copy of a command, for a retry or for the dead letters, has to be published again.
    pub fn copy_not_taken(&self, target: &Target, status: PublishStatus) {
        self.metrics().publishing.copy_kept(status);
        if let Some(copies) = self.0.kept_copies.add(1) {
            tracing::warn!(
                to = %target.name(),
                status = status.as_str(),
                copies,
                "Copies of commands were not taken: they are tried again, the commands stay with the broker"
            );
        }
    }

    /// A reply was given up.
    pub fn reply_dropped(&self, target: &Target, reason: DropReason) {
        self.metrics().publishing.reply_dropped(reason);
        if let Some(replies) = self.0.dropped_replies.add(1) {
            let (reply_to, reason) = (target.name(), reason.as_str());
            tracing::warn!(%reply_to, reason, replies, "Replies were dropped");
        }
    }

    /// The broker is short of something.
    pub fn publishing_is_blocked(&self) {
        if self.note(Pause::Blocked, "memory or disk alarm").is_some() {
            tracing::warn!("The broker blocks publishing (memory or disk alarm)");
        }
    }

    pub fn publishing_is_not_blocked(&self) {
        if self.ends(Pause::Blocked) {
            tracing::info!("The broker does not block publishing any more");
        }
    }

    /// Notes an outage, or that it goes on; returns what to log. Counted before it can end.
    fn note(&self, pause: Pause, reason: &str) -> Option<News> {
        let mut state = self.lock();
        if state.troubles.of(pause).replace(reason.to_owned()).is_none() {
            state.reasons.retain(|(of, _)| *of != pause);
            state.reasons.push((pause, OutageReasons::new(reason)));
            self.metrics().state.paused(pause);
            return Some(News::Begins);
        }
        let (_, reasons) = state.reasons.iter_mut().find(|(of, _)| *of == pause)?;
        reasons.is_news(reason).then_some(News::OtherReason)
    }

    fn ends(&self, pause: Pause) -> bool {
        let mut state = self.lock();
        let ends = state.troubles.of(pause).take().is_some();
        if ends {
            self.metrics().state.goes_on(pause);
        }
        ends
    }

    fn note_consumer(&self, queue: ConsumedQueue, consumes: bool) {
        let mut state = self.lock();
        self.metrics().state.consumes(queue, consumes);
        match queue {
            ConsumedQueue::Commands => state.consumes_commands = consumes,
            ConsumedQueue::DeadLetters => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(queue: ConsumedQueue) -> &'static str {
    match queue {
        ConsumedQueue::Commands => "Commands",
        ConsumedQueue::DeadLetters => "Dead letters",
    }
}

fn pause_of(queue: ConsumedQueue) -> Pause {
    match queue {
        ConsumedQueue::Commands => Pause::Consuming,
        ConsumedQueue::DeadLetters => Pause::Collecting,
    }
}
