//! The outcome that a replay of a dead letter would have now.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::parse::as_sent;
use super::publication::publication_of;
use crate::domain::{Command, OrderId};
use crate::messages::{DeadLetterReason, Envelope, IdempotencyKey, Message, Outcome};
use crate::service_layer::dead_letters::DeadLetterRecord;
use crate::service_layer::decode;
use crate::service_layer::{Clock, Health, InFlight, MessageBus, OrderQueries, Store, StoreError};

/// Processes dead letters in units of work that are rolled back.
#[derive(Debug)]
pub struct DryRun {
    bus: MessageBus,
    orders: Arc<dyn OrderQueries>,
}

/// What a replay would lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRunResult {
    /// By which the outcome of the replay can be found; none for a message that cannot be decoded.
    pub idempotency_key: Option<IdempotencyKey>,
    pub outcome: DryRunOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DryRunOutcome {
    Outcome(Outcome),
    /// The order's status has changed since the command failed.
    Superseded {
        order_id: OrderId,
        moved_at: DateTime<Utc>,
    },
}

impl DryRunOutcome {
    /// For tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Superseded { .. } => "superseded",
            Self::Outcome(Outcome::RetryLater(_) | Outcome::DeadLetter(_)) => "still fails",
            Self::Outcome(Outcome::Accepted(_)) => "accepted",
            Self::Outcome(Outcome::Duplicate(_)) => "duplicate",
            Self::Outcome(Outcome::Rejected(..)) => "rejected",
        }
    }

    /// The rule that rejects it, or the status that the order would have.
    pub fn detail(&self) -> String {
        match self {
            Self::Superseded { order_id, moved_at } => {
                format!("order {order_id} has moved on at {moved_at:.0?}")
            }
            Self::Outcome(outcome) => match outcome {
                Outcome::Accepted(order) | Outcome::Duplicate(Some(order)) => {
                    format!("order {} is then {}", order.order_id, order.status)
                }
                Outcome::Duplicate(None) => String::new(),
                Outcome::Rejected(order, rejection) => {
                    format!("{}: order {} is {}", rejection.code(), order.order_id, order.status)
                }
                Outcome::RetryLater(reason) => DeadLetterReason::from(reason.clone()).to_string(),
                Outcome::DeadLetter(reason) => reason.to_string(),
            },
        }
    }

    /// The reason why it would be a dead letter again, if it would.
    pub fn failure(&self) -> Option<DeadLetterReason> {
        match self {
            Self::Outcome(Outcome::DeadLetter(reason)) => Some(reason.clone()),
            Self::Outcome(Outcome::RetryLater(reason)) => Some(reason.clone().into()),
            Self::Superseded { .. }
            | Self::Outcome(Outcome::Accepted(_) | Outcome::Duplicate(_) | Outcome::Rejected(..)) => {
                None
            }
        }
    }
}

impl DryRun {
    pub fn new(
        store: Box<dyn Store>,
        orders: Arc<dyn OrderQueries>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let bus = MessageBus::new(store, clock, Health::default(), InFlight::default());
        Self { bus, orders }
    }

    /// Processes the message that the next replay would publish. Publishes and changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    ///
    /// # Panics
    /// Never: the bus returns an outcome for each message.
    pub async fn of(&mut self, record: &DeadLetterRecord) -> Result<DryRunResult, StoreError> {
        let publication = publication_of(record, record.replays + 1);
        let envelope =
            Envelope { properties: publication.properties, ..as_sent(&record.dead_letter) };
        let message = match decode::decode(&envelope).result {
            Ok(message) => message,
            Err(reason) => {
                let outcome = DryRunOutcome::Outcome(Outcome::DeadLetter(reason));
                return Ok(DryRunResult { idempotency_key: None, outcome });
            }
        };
        let outcomes = self.bus.dry_run(std::slice::from_ref(&message)).await?;
        let outcome =
            outcomes.into_iter().next().expect("the bus returns an outcome for each message");
        let outcome = match (&outcome, self.superseded_by(&message, record.first_failed_at).await?)
        {
            (Outcome::Accepted(_) | Outcome::RetryLater(_), Some((order_id, moved_at))) => {
                DryRunOutcome::Superseded { order_id, moved_at }
            }
            _ => DryRunOutcome::Outcome(outcome),
        };
        Ok(DryRunResult { idempotency_key: message.idempotency_key, outcome })
    }

    /// The order of a command that changes a status, if its status has changed since the command
    /// failed. Being placed does not count: to replay commands that overtook it is what replays are for.
    async fn superseded_by(
        &self,
        message: &Message,
        failed_at: DateTime<Utc>,
    ) -> Result<Option<(OrderId, DateTime<Utc>)>, StoreError> {
        let order_id = match &message.command {
            Command::PlaceOrder(_) => return Ok(None),
            Command::CancelOrder(_) | Command::SetStatus(_) | Command::SetNextStatus(_) => {
                message.command.order_id()
            }
        };
        let Some(order_id) = order_id else { return Ok(None) };
        let found = self.orders.order(order_id).await?.map(|found| found.order);
        Ok(found
            .filter(|order| order.version() > 1 && order.last_updated() > failed_at)
            .map(|order| (order_id.clone(), order.last_updated())))
    }
}
