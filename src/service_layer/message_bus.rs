//! Batch in, outcomes out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::field::Empty;

use super::handlers::{self, Effect, HandlerError};
use super::log_throttle::LogThrottle;
use super::parts::Parts;
use super::unit_of_work::Committed;
use super::{
    Backoff, BatchLookup, Clock, Health, HistoryRow, InFlight, InboxEntry, InboxOutcome,
    MAX_LOADED_ITEMS, Orders, PublishResult, Store, StoreError, UnitOfWork,
};
use crate::domain::{
    Command, MessageId, Order, OrderId, Rejected, Rejection, StatusChange, StatusChanged,
};
use crate::messages::{
    BatchResult, DeadLetterCode, DeadLetterReason, IdempotencyKey, Message, OrderState, OutboxKey,
    OutboxMessage, Outcome, RetryReason,
};
use crate::telemetry::{self, MessageAttributes};

/// How often a batch is tried again whole because another transaction was faster; then in halves,
/// so that contention over one order does not hold up the others.
const MAX_CONFLICTS: u32 = 10;

/// How many batches are looked up, from one on that took a known order for a new one: one repeat in
/// each batch of 500 must not cost every batch a second attempt.
const LOOKUP_COOLDOWN_BATCHES: u32 = 64;

/// For how long no lock is waited for, from a locked order on: who keeps one for a second most likely
/// keeps it for longer, and the others of the batch must not wait each time. Longer than the time
/// after which the messages of a locked order are tried again.
const LOCK_COOLDOWN: Duration = Duration::from_secs(3);

/// How often a batch that the database fails at is tried again whole; then in halves, so that what
/// belongs to one message does not hold up the others.
const MAX_FAILURES: u32 = 5;

/// For how long a batch that the database fails at is not tried again whole, from a failure that one
/// message was left alone with. Longer than the time after which that message is tried again.
const FAILURE_COOLDOWN: Duration = Duration::from_secs(30);

/// Dispatches messages to their handlers, a batch in one unit of work.
#[derive(Debug)]
pub struct MessageBus {
    store: Box<dyn Store>,
    clock: Arc<dyn Clock>,
    health: Health,
    /// Confirmed by the broker; the next transaction takes them out of the outbox.
    published: Vec<OutboxKey>,
    in_flight: InFlight,
    /// How many batches are still to be looked up, whatever is in them.
    lookup_cooldown: u32,
    /// Until then no lock is waited for.
    skip_locked_until: Option<Instant>,
    /// Until then no batch that the database fails at is tried again whole.
    split_failures_until: Option<Instant>,
    set_aside_log: LogThrottle,
}

/// Why a batch had no effect.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a handler panicked")]
    Panic,
}

/// What is done about a part of a batch that had no effect.
enum Remedy {
    Again,
    /// Of a single message: it becomes a dead letter.
    Split,
    /// The messages of these orders wait, or the only one of the part.
    SetAside(Vec<OrderId>),
}

/// How often something failed while a batch is handled.
struct Failures {
    backoff: Backoff,
    /// In a row.
    conflicts: u32,
    /// In the whole batch: who fails among others fails again in each half.
    failed: u32,
    /// In a row.
    lost_sessions: u32,
    /// The message that was refused alone, and is tried once more.
    refused_alone: Option<usize>,
}

impl MessageBus {
    pub fn new(
        store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        health: Health,
        in_flight: InFlight,
    ) -> Self {
        Self {
            store,
            clock,
            health,
            published: Vec::new(),
            in_flight,
            lookup_cooldown: 0,
            skip_locked_until: None,
            split_failures_until: None,
            set_aside_log: LogThrottle::default(),
        }
    }

    /// Handles the messages in their order and commits their effects.
    ///
    /// A batch that one message breaks is cut in halves until that message stands alone and becomes
    /// a dead letter; the others commit. Messages of an order that another transaction keeps locked
    /// are left out. While the database is in trouble, this waits and tries again, without end: the
    /// caller stops it by dropping the future, which loses nothing.
    pub async fn handle_batch<'a>(
        &mut self,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> BatchResult {
        let messages: Vec<&Message> = messages.into_iter().collect();
        let mut handled = BatchResult::default();
        let mut parts = Parts::of(messages.len());
        let mut failures = Failures::none();
        self.lookup_cooldown = self.lookup_cooldown.saturating_sub(1);
        while let Some(part) = parts.next() {
            let batch: Vec<&Message> = part.iter().map(|&place| messages[place]).collect();
            let needs = self.needs_of(&batch);
            let trouble = match self.attempt(&batch, &needs).await {
                Ok((outcomes, committed, took)) => {
                    self.health.database_up();
                    failures.end();
                    handled.outcomes.extend(outcomes);
                    handled.commits.push(took);
                    handled.outgoing.extend(self.take_in_flight(committed));
                    continue;
                }
                Err(trouble) => trouble,
            };
            if let AttemptError::Store(StoreError::Conflict(_)) = trouble
                && !needs.assume_new
            {
                handled.conflicts += 1;
            }
            match self.remedy(&trouble, &needs, &part, &mut failures).await {
                Remedy::Again => parts.again(part),
                Remedy::Split if parts.split(&part) => {}
                Remedy::Split => handled.outcomes.push(internal_error(&trouble)),
                Remedy::SetAside(order_ids) => {
                    // Locks that nobody can name, as of an order that is being inserted, and lasting
                    // failures were met by the one message of the part: later ones of its order must
                    // not overtake it.
                    let alone = (part.len() == 1).then(|| part[0]);
                    let alone_about = alone.and_then(|place| messages[place].command.order_id());
                    let locked = |place: usize| {
                        let order_id = messages[place].command.order_id();
                        alone == Some(place)
                            || order_id.is_some_and(|order_id| {
                                alone_about == Some(order_id) || order_ids.contains(order_id)
                            })
                    };
                    parts.set_aside(part, locked);
                }
            }
        }
        handled.locked = parts.into_set_aside();
        handled
    }

    fn needs_of(&self, batch: &[&Message]) -> BatchLookup {
        BatchLookup {
            assume_new: self.lookup_cooldown == 0
                && batch.iter().all(|message| places_an_order(message)),
            skip_locked: self.skip_locked_until.is_some_and(|until| Instant::now() < until),
            ..BatchLookup::of(batch.iter().copied())
        }
    }

    /// Decides what to do about a part that had no effect, and waits as long as that takes.
    async fn remedy(
        &mut self,
        trouble: &AttemptError,
        needs: &BatchLookup,
        part: &[usize],
        failures: &mut Failures,
    ) -> Remedy {
        let AttemptError::Store(error) = trouble else { return Remedy::Split };
        match error {
            StoreError::Unavailable(reason) | StoreError::Unusable(reason) => {
                self.health.database_down(reason);
                failures.backoff.pause().await;
                Remedy::Again
            }
            StoreError::SessionLost(reason) => {
                failures.lost_sessions += 1;
                // A new session as well: it is not the session.
                if failures.lost_sessions > 1 {
                    self.health.database_down(reason);
                    failures.backoff.pause().await;
                }
                Remedy::Again
            }
            // Something was known, most likely: look it up.
            StoreError::Conflict(_) | StoreError::Refused(_) | StoreError::Locked(_)
                if needs.assume_new =>
            {
                self.lookup_cooldown = LOOKUP_COOLDOWN_BATCHES;
                Remedy::Again
            }
            // Nobody's fault, however often it happens: never a dead letter.
            StoreError::Conflict(_) => {
                failures.conflicts += 1;
                failures.backoff.pause_after_conflict().await;
                if failures.conflicts <= MAX_CONFLICTS {
                    Remedy::Again
                } else {
                    self.split_or_set_aside(error, part)
                }
            }
            StoreError::Failed(reason) => {
                failures.failed += 1;
                let is_split = failures.failed > MAX_FAILURES
                    || self.split_failures_until.is_some_and(|until| Instant::now() < until);
                if !is_split {
                    self.health.database_down(reason);
                    failures.backoff.pause().await;
                    return Remedy::Again;
                }
                self.split_failures_until = Some(Instant::now() + FAILURE_COOLDOWN);
                // Where all fail alone, it is the database: that is not to be asked without a pause.
                if part.len() > 1 {
                    failures.backoff.pause_after_conflict().await;
                } else {
                    failures.backoff.pause().await;
                }
                self.split_or_set_aside(error, part)
            }
            StoreError::Locked(order_ids) => {
                self.health.database_up();
                self.skip_locked_until = Some(Instant::now() + LOCK_COOLDOWN);
                let is_known = part.len() == 1 || !order_ids.is_empty();
                if is_known { Remedy::SetAside(order_ids.clone()) } else { Remedy::Split }
            }
            // Another transaction may have written the same rows after this one looked: of their
            // keys, not the one of the order itself is always met first.
            StoreError::Refused(_) if failures.is_first_refusal(part) => Remedy::Again,
            StoreError::Refused(_) | StoreError::TooLarge => Remedy::Split,
        }
    }

    /// What fails without end, and no message is known to be at fault: the one that it comes with waits
    /// alone.
    fn split_or_set_aside(&self, error: &StoreError, part: &[usize]) -> Remedy {
        if part.len() > 1 {
            return Remedy::Split;
        }
        if let Some(times) = self.set_aside_log.add(1) {
            tracing::warn!(
                %error,
                times,
                "A message keeps failing in the database, it is tried again later and others go on"
            );
        }
        Remedy::SetAside(Vec::new())
    }

    /// Processes the messages in a unit of work that is rolled back, and returns their outcomes.
    ///
    /// # Errors
    /// When the database is in trouble or does not take one of the messages.
    pub async fn dry_run(&mut self, messages: &[Message]) -> Result<Vec<Outcome>, StoreError> {
        let mut uow = UnitOfWork::begin(&mut *self.store, &BatchLookup::of(messages)).await?;
        let now = self.clock.now();
        let outcomes = messages.iter().map(|message| process(message, &mut uow, now)).collect();
        uow.rollback().await?;
        Ok(outcomes)
    }

    /// Remembers what became of messages that this bus handed out to be published.
    pub fn note(&mut self, result: PublishResult) {
        self.note_published(result.confirmed);
        if !result.kept.is_empty() {
            self.in_flight.leave(result.kept.iter().map(|key| key.event_id));
        }
    }

    /// Remembers messages that the broker confirmed, to be taken out of the outbox.
    pub fn note_published(&mut self, published: impl IntoIterator<Item = OutboxKey>) {
        self.published.extend(published);
    }

    /// Leaves a message in the outbox, to the relay.
    pub fn note_unpublished(&self, unpublished: &OutboxKey) {
        self.in_flight.leave([unpublished.event_id]);
    }

    /// Takes confirmed messages out of the outbox now, for a bus with no next transaction in sight.
    /// AttemptError is left to the next transaction.
    pub async fn remove_published(&mut self) {
        if !self.published.is_empty() && self.store.remove_published(&self.published).await.is_ok()
        {
            self.forget_published();
        }
    }

    fn forget_published(&mut self) {
        self.in_flight.remove(self.published.drain(..).map(|key| key.event_id));
    }

    /// What a commit leaves to be published, without what is on its way already.
    fn take_in_flight(&mut self, committed: Committed) -> Vec<OutboxMessage> {
        let Committed { mut earlier, outgoing, left } = committed;
        self.in_flight.retain_others(&mut earlier);
        // Only now: what this commit took out of the outbox was still in the statement's view of it.
        self.forget_published();
        if !left.is_empty() {
            self.in_flight.leave(left.iter().map(|message| message.key.event_id));
        }
        earlier.extend(outgoing);
        self.in_flight.insert(earlier.iter().map(|message| message.key.event_id));
        earlier
    }

    /// Whether confirmed messages are still in the outbox.
    pub fn has_published(&self) -> bool {
        !self.published.is_empty()
    }

    async fn attempt(
        &mut self,
        messages: &[&Message],
        needs: &BatchLookup,
    ) -> Result<(Vec<Outcome>, Committed, Duration), AttemptError> {
        let mut uow = UnitOfWork::begin(&mut *self.store, needs).await?;
        if !needs.assume_new
            && messages.len() > 1
            && items_of_events(messages, &uow.orders) > MAX_LOADED_ITEMS
        {
            uow.rollback().await?;
            return Err(StoreError::TooLarge.into());
        }
        let now = self.clock.now();
        let processed = catch_unwind(AssertUnwindSafe(|| {
            messages
                .iter()
                .map(|message| process_in_span(message, &mut uow, now))
                .collect::<Vec<_>>()
        }));
        let Ok(outcomes) = processed else {
            uow.rollback().await?;
            return Err(AttemptError::Panic);
        };
        let began = Instant::now();
        let committed = uow.commit(self.published.clone()).await?;
        Ok((outcomes, committed, began.elapsed()))
    }
}

/// About how many items the events of a batch have, as far as they are about orders that were loaded:
/// many commands may be about one large order.
fn items_of_events(messages: &[&Message], orders: &Orders) -> usize {
    let order_ids = messages.iter().filter_map(|message| message.command.order_id());
    order_ids
        .filter_map(|order_id| orders.get(order_id))
        .map(|order| order.items().iter().count())
        .sum()
}

/// Where all of a batch is of this kind, nearly always all of it is new, and is not looked up: that
/// saves the database about 5 of 30 µs for each order. A repeat does no harm: it is refused, and the
/// batch with it, by the keys of the tables.
fn places_an_order(message: &Message) -> bool {
    matches!(message.command, Command::PlaceOrder(_))
}

fn process_in_span(message: &Message, uow: &mut UnitOfWork<'_>, now: DateTime<Utc>) -> Outcome {
    let span = tracing::debug_span!(
        "message",
        command = message.command.kind().name(),
        message_id = message.message_id().map(tracing::field::display),
        order_id = message.command.order_id().map(tracing::field::display),
        otel.name = Empty,
        otel.kind = Empty,
    );
    let attributes = MessageAttributes {
        command: message.command.kind().name(),
        message_id: message.message_id().map(MessageId::as_str),
        correlation_id: message.correlation(),
        traceparent: message.traceparent.as_deref(),
    };
    match telemetry::describe_message(&span, attributes) {
        Some(traceparent) => {
            let message = Message { traceparent: Some(traceparent), ..message.clone() };
            span.in_scope(|| process(&message, uow, now))
        }
        None => span.in_scope(|| process(message, uow, now)),
    }
}

/// Handles one message and records in the unit of work what it leaves behind.
fn process(message: &Message, uow: &mut UnitOfWork<'_>, now: DateTime<Utc>) -> Outcome {
    let outcome = match message.intent.as_ref().and_then(|intent| seen_before(intent, uow)) {
        Some(outcome) => outcome,
        None => match handlers::handle(message.command.clone(), &mut uow.orders, now) {
            Ok(Effect::Changed(order_id, change)) => changed(&order_id, change, message, uow),
            Ok(Effect::Unchanged(order_id)) => Outcome::Accepted(state_of(&order_id, uow)),
            Ok(Effect::AlreadyPlaced(order_id)) => {
                Outcome::Duplicate(Some(state_of(&order_id, uow)))
            }
            Err(HandlerError::Refused(order_id, refusal)) => {
                refused(&order_id, refusal, message, uow, now)
            }
            Err(HandlerError::OrderNotFound(order_id)) => {
                Outcome::RetryLater(RetryReason::OrderNotFound { order_id })
            }
            Err(HandlerError::OrderIdReused(order_id)) => order_id_reused(&order_id),
        },
    };
    remember(&outcome, message, uow, now);
    answer(&outcome, message, uow, now);
    outcome
}

fn seen_before(intent: &IdempotencyKey, uow: &UnitOfWork<'_>) -> Option<Outcome> {
    let handled = uow.inbox.get(&intent.message_id)?;
    if handled.body_hash != intent.body_hash {
        return Some(Outcome::DeadLetter(DeadLetterReason::new(
            DeadLetterCode::MessageIdReused,
            format!("message id {} was used before with another body", intent.message_id),
        )));
    }
    let present = uow.orders.get(&handled.order.order_id).map(Order::status);
    let status = present.unwrap_or(handled.order.status);
    Some(Outcome::Duplicate(Some(OrderState { order_id: handled.order.order_id.clone(), status })))
}

fn changed(
    order_id: &OrderId,
    change: StatusChange,
    message: &Message,
    uow: &mut UnitOfWork<'_>,
) -> Outcome {
    let order = uow.orders.get(order_id).expect("a changed order is in the unit of work");
    let event = StatusChanged { order, change };
    uow.outbox.push(OutboxMessage::status_changed(event, message));
    uow.history.push(HistoryRow {
        order_id: order_id.clone(),
        change,
        command: message.command.kind(),
        caused_by: message.message_id().cloned(),
        reason: message.command.reason().map(ToString::to_string),
    });
    Outcome::Accepted(OrderState { order_id: order_id.clone(), status: change.status })
}

fn refused(
    order_id: &OrderId,
    refusal: Rejection,
    message: &Message,
    uow: &mut UnitOfWork<'_>,
    now: DateTime<Utc>,
) -> Outcome {
    let order = uow.orders.get(order_id).expect("a refusal names an order of the unit of work");
    let event = Rejected {
        command: message.command.kind(),
        order_id: order_id.clone(),
        rejection: refusal,
        status: order.status(),
        version: order.version(),
        at: now,
    };
    uow.outbox.push(OutboxMessage::rejected(&event, message));
    Outcome::Rejected(OrderState { order_id: order_id.clone(), status: event.status }, refusal)
}

fn order_id_reused(order_id: &OrderId) -> Outcome {
    Outcome::DeadLetter(DeadLetterReason::new(
        DeadLetterCode::OrderIdReused,
        format!("order {order_id} was placed before with other content"),
    ))
}

fn state_of(order_id: &OrderId, uow: &UnitOfWork<'_>) -> OrderState {
    let order = uow.orders.get(order_id).expect("a handled order is in the unit of work");
    OrderState { order_id: order_id.clone(), status: order.status() }
}

/// Puts a message that is done with into the inbox, unless it is there already.
fn remember(outcome: &Outcome, message: &Message, uow: &mut UnitOfWork<'_>, now: DateTime<Utc>) {
    let Some(intent) = &message.intent else { return };
    let (order, outcome) = match outcome {
        Outcome::Accepted(order) => (order, InboxOutcome::Accepted),
        Outcome::Duplicate(Some(order)) => (order, InboxOutcome::Duplicate),
        Outcome::Rejected(order, refusal) => (order, InboxOutcome::Rejected(refusal.code().into())),
        Outcome::Duplicate(None) | Outcome::RetryLater(_) | Outcome::DeadLetter(_) => return,
    };
    if uow.inbox.contains_key(&intent.message_id) {
        return;
    }
    let handled = InboxEntry {
        message_id: intent.message_id.clone(),
        body_hash: intent.body_hash,
        command: message.command.kind(),
        order: order.clone(),
        outcome,
        handled_at: now,
    };
    uow.inbox.insert(intent.message_id.clone(), handled.clone());
    uow.handled.push(handled);
}

fn answer(outcome: &Outcome, message: &Message, uow: &mut UnitOfWork<'_>, now: DateTime<Utc>) {
    let order_id = match outcome {
        Outcome::Accepted(order)
        | Outcome::Rejected(order, _)
        | Outcome::Duplicate(Some(order)) => &order.order_id,
        Outcome::Duplicate(None) | Outcome::RetryLater(_) | Outcome::DeadLetter(_) => return,
    };
    let version = uow.orders.get(order_id).map_or(0, Order::version);
    uow.outbox.extend(OutboxMessage::reply(outcome, version, message, now));
}

fn internal_error(trouble: &AttemptError) -> Outcome {
    Outcome::DeadLetter(DeadLetterReason::new(DeadLetterCode::InternalError, trouble.to_string()))
}

impl Failures {
    fn none() -> Self {
        let backoff = Backoff::for_database();
        Self { backoff, conflicts: 0, failed: 0, lost_sessions: 0, refused_alone: None }
    }

    /// Something succeeded.
    fn end(&mut self) {
        self.backoff.reset();
        self.conflicts = 0;
        self.lost_sessions = 0;
    }

    /// Whether a message stands alone, and is refused so for the first time.
    fn is_first_refusal(&mut self, part: &[usize]) -> bool {
        let [alone] = *part else { return false };
        self.refused_alone.replace(alone) != Some(alone)
    }
}
