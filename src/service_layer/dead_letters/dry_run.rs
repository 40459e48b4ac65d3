//! What would become of a dead letter if it were replayed now.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::parse::as_sent;
use super::publication::publication_of;
use crate::domain::{Command, OrderId};
use crate::service_layer::dead_letters::DeadLetterRecord;
use crate::service_layer::decode;
use crate::service_layer::{
    Clock, DeadLetterReason, Envelope, Health, IdempotencyKey, InFlight, Message, MessageBus,
    OrderQueries, Outcome, Store, StoreError,
};

/// Tries dead letters out in units of work that are rolled back.
#[derive(Debug)]
pub struct DryRun {
    bus: MessageBus,
    orders: Arc<dyn OrderQueries>,
}

/// What a replay would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRunResult {
    /// By which its outcome can be found; none for a message that cannot be read.
    pub intent: Option<IdempotencyKey>,
    pub prospect: DryRunOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DryRunOutcome {
    Outcome(Outcome),
    /// The order has moved since the command failed.
    Superseded {
        order_id: OrderId,
        moved_at: DateTime<Utc>,
    },
}

impl DryRunOutcome {
    /// The word in tables.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Superseded { .. } => "superseded",
            Self::Outcome(Outcome::RetryLater(_) | Outcome::DeadLetter(_)) => "still fails",
            Self::Outcome(Outcome::Accepted(_)) => "accepted",
            Self::Outcome(Outcome::Duplicate(_)) => "duplicate",
            Self::Outcome(Outcome::Rejected(..)) => "rejected",
        }
    }

    /// By which rule, and how.
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
                Outcome::Rejected(order, refusal) => {
                    format!("{}: order {} is {}", refusal.code(), order.order_id, order.status)
                }
                Outcome::RetryLater(reason) => DeadLetterReason::from(reason.clone()).to_string(),
                Outcome::DeadLetter(dead_letter) => dead_letter.to_string(),
            },
        }
    }

    /// The reason for which it would be a dead letter again.
    pub fn failure(&self) -> Option<DeadLetterReason> {
        match self {
            Self::Outcome(Outcome::DeadLetter(dead_letter)) => Some(dead_letter.clone()),
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

    /// Tries a dead letter as its next replay would be. Nothing is published and nothing changes.
    ///
    /// # Errors
    /// When the database is in trouble.
    ///
    /// # Panics
    /// Never: the bus answers for each message.
    pub async fn of(&mut self, stored: &DeadLetterRecord) -> Result<DryRunResult, StoreError> {
        let publication = publication_of(stored, stored.replays + 1);
        let envelope =
            Envelope { properties: publication.properties, ..as_sent(&stored.dead_letter) };
        let message = match decode::decode(&envelope).result {
            Ok(message) => message,
            Err(dead_letter) => {
                let prospect = DryRunOutcome::Outcome(Outcome::DeadLetter(dead_letter));
                return Ok(DryRunResult { intent: None, prospect });
            }
        };
        let outcomes = self.bus.rehearse(std::slice::from_ref(&message)).await?;
        let outcome = outcomes.into_iter().next().expect("the bus answers for each message");
        let prospect = match (&outcome, self.moved_on(&message, stored.first_failed_at).await?) {
            (Outcome::Accepted(_) | Outcome::RetryLater(_), Some((order_id, moved_at))) => {
                DryRunOutcome::Superseded { order_id, moved_at }
            }
            _ => DryRunOutcome::Outcome(outcome),
        };
        Ok(DryRunResult { intent: message.intent, prospect })
    }

    /// The order of a status move, if its status has changed since the move failed. Being placed is
    /// no such change: a move that overtook it is just what a replay is for.
    async fn moved_on(
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
