//! The port through which messages go out.

use std::future::Future;

use super::{Backoff, Health, Properties};

/// A message on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub target: Target,
    pub properties: Properties,
    pub body: Vec<u8>,
}

/// Where a message goes; the adapter knows the names of exchanges and queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The commands exchange.
    Commands { routing_key: String },
    /// The events exchange.
    Events { routing_key: String },
    /// One queue, by its name: whoever asked for a reply.
    Queue { name: String },
    /// The delay before attempt `attempt` (1 for the first retry); comes back by itself.
    Retry { attempt: u32 },
    /// The dead letters.
    DeadLetters { routing_key: String },
}

impl Target {
    /// What a confirmation means in the end; none when the message has to be published again. An
    /// event without subscribers, and a reply to somebody who has gone, may get lost; a copy of a
    /// command may not.
    fn verdict(&self, confirmation: Confirmation) -> Option<Verdict> {
        match (confirmation, self) {
            (Confirmation::Confirmed, _) => Some(Verdict::Confirmed),
            (Confirmation::Unroutable, Self::Events { .. } | Self::Queue { .. }) => {
                Some(Verdict::Unroutable)
            }
            (
                Confirmation::Unroutable,
                Self::Commands { .. } | Self::Retry { .. } | Self::DeadLetters { .. },
            )
            | (Confirmation::Refused, _) => None,
        }
    }
}

/// What the broker said about one message of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The broker has taken responsibility for it.
    Confirmed,
    /// No queue wanted it: the broker dropped it.
    Unroutable,
    /// The broker could not take it (a nack): it may or may not be anywhere.
    Refused,
}

/// Why nothing is known about a window, or parts of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the broker took no messages: {0}")]
pub struct PublishError(pub String);

/// Publishes windows of messages.
pub trait Publisher: Send {
    /// Publishes the window in its order and waits until the broker has judged each message.
    ///
    /// The answer MUST hold one confirmation for each message, in the same order. A returned
    /// message MUST be told from its neighbours by its message id.
    ///
    /// Cancel safety: a window that was dropped midway may be published in part.
    ///
    /// # Errors
    /// When the connection broke, was blocked or did not answer in time. Some of the messages may
    /// have been published; publishing the window again is then the caller's choice.
    fn publish(
        &mut self,
        window: &[Publication],
    ) -> impl Future<Output = Result<Vec<Confirmation>, PublishError>> + Send;
}

/// What became of a message in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Confirmed,
    Unroutable,
}

/// Publishes a window, in its order, until each message is judged; one verdict for each.
///
/// Waits and tries again without end while the broker is in trouble, refuses messages, or has no
/// queue for one that must not get lost: the caller stops it by dropping the future. Messages whose
/// confirm got lost are published once more.
pub async fn publish_all<P: Publisher>(
    publisher: &mut P,
    health: &Health,
    mut window: Vec<Publication>,
) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::Confirmed; window.len()];
    let mut places: Vec<usize> = (0..window.len()).collect();
    let mut backoff = Backoff::for_broker();
    while !window.is_empty() {
        match publisher.publish(&window).await {
            Ok(confirmations) => {
                let judged = window.into_iter().zip(places).zip(confirmations);
                (window, places) = (Vec::new(), Vec::new());
                for ((publication, place), confirmation) in judged {
                    if let Some(verdict) = publication.target.verdict(confirmation) {
                        verdicts[place] = verdict;
                    } else {
                        window.push(publication);
                        places.push(place);
                    }
                }
                match window.first() {
                    None => health.publishes(),
                    Some(first) => {
                        health.cannot_publish(&format!("{:?} takes nothing", first.target));
                    }
                }
            }
            Err(error) => health.cannot_publish(&error.to_string()),
        }
        if !window.is_empty() {
            backoff.pause().await;
        }
    }
    verdicts
}
