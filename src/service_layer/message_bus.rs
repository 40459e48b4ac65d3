//! The message bus: handles a batch of messages and returns their outcomes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::field::Empty;

use super::bisection::Bisection;
use super::handlers::{self, Effect, HandlerError};
use super::log_throttle::LogThrottle;
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

/// Retries of a whole batch after conflicts; then it is split in half, so that contention over one
/// order does not delay the others.
const MAX_CONFLICTS: u32 = 10;

/// After a batch that wrongly assumed its orders to be new, this many batches are looked up: a single
/// duplicate per batch must not cause a second attempt for every batch.
const LOOKUP_COOLDOWN_BATCHES: u32 = 64;

/// After a locked order, locks are not waited for during this time: a lock that was held for a
/// second will probably be held longer, and the other messages must not wait for it each time.
/// Longer than the interval at which parked messages are retried.
const LOCK_COOLDOWN: Duration = Duration::from_secs(3);

/// Retries of a whole batch after [`StoreError::Failed`]; then it is split in half, so that an error
/// caused by one message does not delay the others.
const MAX_FAILURES: u32 = 5;

/// After a failure that remained with a single message, failing batches are split at once during this
/// time. Longer than the interval at which that message is retried.
const FAILURE_COOLDOWN: Duration = Duration::from_secs(30);

/// Dispatches messages to their handlers, one unit of work per batch.
#[derive(Debug)]
pub struct MessageBus {
    store: Box<dyn Store>,
    clock: Arc<dyn Clock>,
    health: Health,
    /// Confirmed by the broker; the next transaction deletes them from the outbox.
    published: Vec<OutboxKey>,
    in_flight: InFlight,
    /// Number of further batches that must not assume their orders to be new.
    lookup_cooldown: u32,
    /// Until then, locks are not waited for.
    skip_locked_until: Option<Instant>,
    /// Until then, a failing batch is split at once.
    split_failures_until: Option<Instant>,
    parking_log: LogThrottle,
}

/// Why an attempt at a part of a batch failed. Nothing was committed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a handler panicked")]
    Panic,
}

/// What to do about a part of a batch that failed.
enum Remedy {
    Retry,
    /// Split it in half. A single message becomes a dead letter.
    Split,
    /// Park the messages of these orders, and the part's message if it has only one.
    Park(Vec<OrderId>),
}

/// Failures while a batch is handled.
struct Failures {
    backoff: Backoff,
    /// Consecutive.
    conflicts: u32,
    /// In the whole batch, as a message that fails in a batch fails again in its half.
    failed: u32,
    /// Consecutive.
    lost_sessions: u32,
    /// The single message that was refused and is tried once more.
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
            parking_log: LogThrottle::default(),
        }
    }

    /// Handles the messages in their order and commits their effects.
    ///
    /// A batch that fails because of one message is split in half until that message is alone and
    /// becomes a dead letter; the others commit. Messages of an order that another transaction
    /// keeps locked are returned as [`locked`](BatchResult::locked). While the database is
    /// unavailable, retries without limit; the caller can drop the future without losing anything.
    pub async fn handle_batch<'a>(
        &mut self,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> BatchResult {
        let messages: Vec<&Message> = messages.into_iter().collect();
        let mut result = BatchResult::default();
        let mut parts = Bisection::of(messages.len());
        let mut failures = Failures::new();
        self.lookup_cooldown = self.lookup_cooldown.saturating_sub(1);
        while let Some(part) = parts.next() {
            let batch: Vec<&Message> = part.iter().map(|&index| messages[index]).collect();
            let lookup = self.lookup_for(&batch);
            let error = match self.attempt(&batch, &lookup).await {
                Ok((outcomes, committed, took)) => {
                    self.health.database_up();
                    failures.reset();
                    result.outcomes.extend(outcomes);
                    result.commits.push(took);
                    result.to_publish.extend(self.take_in_flight(committed));
                    continue;
                }
                Err(error) => error,
            };
            if let AttemptError::Store(StoreError::Conflict(_)) = error
                && !lookup.assume_new
            {
                result.conflicts += 1;
            }
            match self.remedy(&error, &lookup, &part, &mut failures).await {
                Remedy::Retry => parts.retry(part),
                Remedy::Split if parts.split(&part) => {}
                Remedy::Split => result.outcomes.push(internal_error(&error)),
                Remedy::Park(order_ids) => {
                    // A lock on an unknown order (one that is being inserted) or a persistent failure
                    // concerns the single message of the part. Later messages of its order must not
                    // overtake it.
                    let single = (part.len() == 1).then(|| part[0]);
                    let single_order = single.and_then(|index| messages[index].command.order_id());
                    let is_parked = |index: usize| {
                        let order_id = messages[index].command.order_id();
                        single == Some(index)
                            || order_id.is_some_and(|order_id| {
                                single_order == Some(order_id) || order_ids.contains(order_id)
                            })
                    };
                    parts.park(part, is_parked);
                }
            }
        }
        result.locked = parts.into_parked();
        result
    }

    fn lookup_for(&self, batch: &[&Message]) -> BatchLookup {
        BatchLookup {
            assume_new: self.lookup_cooldown == 0
                && batch.iter().all(|message| places_an_order(message)),
            skip_locked: self.skip_locked_until.is_some_and(|until| Instant::now() < until),
            ..BatchLookup::of(batch.iter().copied())
        }
    }

    /// Decides what to do about a part that failed, after waiting as long as the error requires.
    async fn remedy(
        &mut self,
        error: &AttemptError,
        lookup: &BatchLookup,
        part: &[usize],
        failures: &mut Failures,
    ) -> Remedy {
        let AttemptError::Store(error) = error else { return Remedy::Split };
        match error {
            StoreError::Unavailable(reason) | StoreError::Unusable(reason) => {
                self.health.database_down(reason);
                failures.backoff.pause().await;
                Remedy::Retry
            }
            StoreError::SessionLost(reason) => {
                failures.lost_sessions += 1;
                // A new session failed as well, so the cause is not the session.
                if failures.lost_sessions > 1 {
                    self.health.database_down(reason);
                    failures.backoff.pause().await;
                }
                Remedy::Retry
            }
            // Probably one of the messages or orders exists: look them up.
            StoreError::Conflict(_) | StoreError::Refused(_) | StoreError::Locked(_)
                if lookup.assume_new =>
            {
                self.lookup_cooldown = LOOKUP_COOLDOWN_BATCHES;
                Remedy::Retry
            }
            // No message is at fault, however often this happens: never a dead letter.
            StoreError::Conflict(_) => {
                failures.conflicts += 1;
                failures.backoff.pause_after_conflict().await;
                if failures.conflicts <= MAX_CONFLICTS {
                    Remedy::Retry
                } else {
                    self.split_or_park(error, part)
                }
            }
            StoreError::Failed(reason) => {
                failures.failed += 1;
                let is_split = failures.failed > MAX_FAILURES
                    || self.split_failures_until.is_some_and(|until| Instant::now() < until);
                if !is_split {
                    self.health.database_down(reason);
                    failures.backoff.pause().await;
                    return Remedy::Retry;
                }
                self.split_failures_until = Some(Instant::now() + FAILURE_COOLDOWN);
                // If every single message fails, the cause is the database: back off.
                if part.len() > 1 {
                    failures.backoff.pause_after_conflict().await;
                } else {
                    failures.backoff.pause().await;
                }
                self.split_or_park(error, part)
            }
            StoreError::Locked(order_ids) => {
                self.health.database_up();
                self.skip_locked_until = Some(Instant::now() + LOCK_COOLDOWN);
                let is_known = part.len() == 1 || !order_ids.is_empty();
                if is_known { Remedy::Park(order_ids.clone()) } else { Remedy::Split }
            }
            // A concurrent transaction may have inserted the same rows after this one's lookup; the
            // violated key need not be that of the order, so this can look like a refusal.
            StoreError::Refused(_) if failures.is_first_refusal(part) => Remedy::Retry,
            StoreError::Refused(_) | StoreError::TooLarge => Remedy::Split,
        }
    }

    /// For errors that persist without a message being known to be at fault: narrows them down to one
    /// message, which is parked.
    fn split_or_park(&self, error: &StoreError, part: &[usize]) -> Remedy {
        if part.len() > 1 {
            return Remedy::Split;
        }
        if let Some(times) = self.parking_log.add(1) {
            tracing::warn!(
                %error,
                times,
                "A message keeps failing in the database; it is parked and retried, other messages are processed"
            );
        }
        Remedy::Park(Vec::new())
    }

    /// Processes the messages in a unit of work that is rolled back, and returns their outcomes.
    ///
    /// # Errors
    /// When the database is unavailable, or fails on one of the messages.
    pub async fn dry_run(&mut self, messages: &[Message]) -> Result<Vec<Outcome>, StoreError> {
        let mut uow = UnitOfWork::begin(&mut *self.store, &BatchLookup::of(messages)).await?;
        let now = self.clock.now();
        let outcomes = messages.iter().map(|message| process(message, &mut uow, now)).collect();
        uow.rollback().await?;
        Ok(outcomes)
    }

    /// Records the result of publishing messages of this bus.
    pub fn record_result(&mut self, result: PublishResult) {
        self.record_confirmed(result.confirmed);
        if !result.kept.is_empty() {
            self.in_flight.leave_to_relay(result.kept.iter().map(|key| key.event_id));
        }
    }

    /// Records messages that the broker confirmed, to be deleted from the outbox.
    pub fn record_confirmed(&mut self, published: impl IntoIterator<Item = OutboxKey>) {
        self.published.extend(published);
    }

    /// Leaves a message in the outbox for the relay.
    pub fn leave_to_relay(&self, unpublished: &OutboxKey) {
        self.in_flight.leave_to_relay([unpublished.event_id]);
    }

    /// Deletes confirmed messages from the outbox now, while there is no batch whose transaction
    /// would do it. If that fails, the next transaction deletes them.
    pub async fn remove_published(&mut self) {
        if !self.published.is_empty() && self.store.remove_published(&self.published).await.is_ok()
        {
            self.forget_published();
        }
    }

    fn forget_published(&mut self) {
        self.in_flight.remove(self.published.drain(..).map(|key| key.event_id));
    }

    /// The messages to publish after a commit, without those that are in flight already.
    fn take_in_flight(&mut self, committed: Committed) -> Vec<OutboxMessage> {
        let Committed { mut earlier, new, for_relay } = committed;
        self.in_flight.retain_others(&mut earlier);
        // Only now, as the statement's snapshot still contained the rows that this commit deleted.
        self.forget_published();
        if !for_relay.is_empty() {
            self.in_flight.leave_to_relay(for_relay.iter().map(|message| message.key.event_id));
        }
        earlier.extend(new);
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
        lookup: &BatchLookup,
    ) -> Result<(Vec<Outcome>, Committed, Duration), AttemptError> {
        let mut uow = UnitOfWork::begin(&mut *self.store, lookup).await?;
        if !lookup.assume_new
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

/// An estimate of the items in the events of a batch, counting loaded orders only: many commands may
/// concern one large order.
fn items_of_events(messages: &[&Message], orders: &Orders) -> usize {
    let order_ids = messages.iter().filter_map(|message| message.command.order_id());
    order_ids
        .filter_map(|order_id| orders.get(order_id))
        .map(|order| order.items().iter().count())
        .sum()
}

/// A batch of only these is assumed to be new and not looked up, which saves the database about 5
/// of 30 µs per order. Duplicates do no harm: they violate a key, and the batch is retried with a
/// lookup.
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

/// Handles one message and adds its changes to the unit of work.
fn process(message: &Message, uow: &mut UnitOfWork<'_>, now: DateTime<Utc>) -> Outcome {
    let outcome = match message.idempotency_key.as_ref().and_then(|key| find_duplicate(key, uow)) {
        Some(outcome) => outcome,
        None => match handlers::handle(message.command.clone(), &mut uow.orders, now) {
            Ok(Effect::Changed(order_id, change)) => changed(&order_id, change, message, uow),
            Ok(Effect::Unchanged(order_id)) => Outcome::Accepted(state_of(&order_id, uow)),
            Ok(Effect::AlreadyPlaced(order_id)) => {
                Outcome::Duplicate(Some(state_of(&order_id, uow)))
            }
            Err(HandlerError::Rejected(order_id, rejection)) => {
                rejected(&order_id, rejection, message, uow, now)
            }
            Err(HandlerError::OrderNotFound(order_id)) => {
                Outcome::RetryLater(RetryReason::OrderNotFound { order_id })
            }
            Err(HandlerError::OrderIdReused(order_id)) => order_id_reused(&order_id),
        },
    };
    add_to_inbox(&outcome, message, uow, now);
    add_reply(&outcome, message, uow, now);
    outcome
}

fn find_duplicate(key: &IdempotencyKey, uow: &UnitOfWork<'_>) -> Option<Outcome> {
    let handled = uow.inbox.get(&key.message_id)?;
    if handled.body_hash != key.body_hash {
        return Some(Outcome::DeadLetter(DeadLetterReason::new(
            DeadLetterCode::MessageIdReused,
            format!("message id {} was used before with another body", key.message_id),
        )));
    }
    let current = uow.orders.get(&handled.order.order_id).map(Order::status);
    let status = current.unwrap_or(handled.order.status);
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

fn rejected(
    order_id: &OrderId,
    rejection: Rejection,
    message: &Message,
    uow: &mut UnitOfWork<'_>,
    now: DateTime<Utc>,
) -> Outcome {
    let order = uow.orders.get(order_id).expect("a rejection names an order of the unit of work");
    let event = Rejected {
        command: message.command.kind(),
        order_id: order_id.clone(),
        rejection,
        status: order.status(),
        version: order.version(),
        at: now,
    };
    uow.outbox.push(OutboxMessage::rejected(&event, message));
    Outcome::Rejected(OrderState { order_id: order_id.clone(), status: event.status }, rejection)
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

/// Adds a processed message to the inbox, unless it is in there.
fn add_to_inbox(
    outcome: &Outcome,
    message: &Message,
    uow: &mut UnitOfWork<'_>,
    now: DateTime<Utc>,
) {
    let Some(key) = &message.idempotency_key else { return };
    let (order, outcome) = match outcome {
        Outcome::Accepted(order) => (order, InboxOutcome::Accepted),
        Outcome::Duplicate(Some(order)) => (order, InboxOutcome::Duplicate),
        Outcome::Rejected(order, rejection) => {
            (order, InboxOutcome::Rejected(rejection.code().into()))
        }
        Outcome::Duplicate(None) | Outcome::RetryLater(_) | Outcome::DeadLetter(_) => return,
    };
    if uow.inbox.contains_key(&key.message_id) {
        return;
    }
    let handled = InboxEntry {
        message_id: key.message_id.clone(),
        body_hash: key.body_hash,
        command: message.command.kind(),
        order: order.clone(),
        outcome,
        handled_at: now,
    };
    uow.inbox.insert(key.message_id.clone(), handled.clone());
    uow.handled.push(handled);
}

/// Adds the reply to the outbox, if the message asks for one.
fn add_reply(outcome: &Outcome, message: &Message, uow: &mut UnitOfWork<'_>, now: DateTime<Utc>) {
    let order_id = match outcome {
        Outcome::Accepted(order)
        | Outcome::Rejected(order, _)
        | Outcome::Duplicate(Some(order)) => &order.order_id,
        Outcome::Duplicate(None) | Outcome::RetryLater(_) | Outcome::DeadLetter(_) => return,
    };
    let version = uow.orders.get(order_id).map_or(0, Order::version);
    uow.outbox.extend(OutboxMessage::reply(outcome, version, message, now));
}

fn internal_error(error: &AttemptError) -> Outcome {
    Outcome::DeadLetter(DeadLetterReason::new(DeadLetterCode::InternalError, error.to_string()))
}

impl Failures {
    fn new() -> Self {
        let backoff = Backoff::for_database();
        Self { backoff, conflicts: 0, failed: 0, lost_sessions: 0, refused_alone: None }
    }

    /// After a success.
    fn reset(&mut self) {
        self.backoff.reset();
        self.conflicts = 0;
        self.lost_sessions = 0;
    }

    /// Whether the part is a single message that is refused for the first time.
    fn is_first_refusal(&mut self, part: &[usize]) -> bool {
        let [index] = *part else { return false };
        self.refused_alone.replace(index) != Some(index)
    }
}
