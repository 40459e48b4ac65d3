//! The port for publishing.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{Backoff, Health};
use crate::messages::{Publication, PublishStatus};

/// The connection broke or could not be opened, so the result of the window is unknown.
#[derive(Debug, Clone, thiserror::Error)]
#[error("publishing failed: {0}")]
pub struct PublishError(pub String);

/// Publishes windows: messages that are published together, before waiting for their confirms.
#[async_trait]
pub trait Publisher: Debug + Send + Sync {
    /// Publishes the messages in order and waits for the result of each.
    ///
    /// MUST return one status per message, in the same order. Returned messages MUST be matched by
    /// message id. A message without a confirm MUST become [`PublishStatus::Unconfirmed`] within a
    /// bounded time, not counting the time for which the connection is blocked; a target that was
    /// slow before MUST delay later windows only briefly. A reply
    /// ([`Target::Queue`](crate::messages::Target::Queue)) MUST NOT reach one of the worker's own
    /// queues.
    ///
    /// A message that the broker does not accept MUST NOT prevent the others from being published;
    /// these may then be published more than once.
    ///
    /// Cancel safety: if the future is dropped, some of the messages may have been published.
    ///
    /// # Errors
    /// When the connection broke or could not be opened. Some of the messages may have been published; the
    /// caller decides whether to publish the window again.
    async fn publish(&mut self, window: &[Publication])
    -> Result<Vec<PublishStatus>, PublishError>;
}

/// Publishes a window. Retries without limit after connection failures; the caller can stop it by
/// dropping the future.
pub async fn publish_window(
    publisher: &mut dyn Publisher,
    health: &Health,
    window: &[Publication],
) -> Vec<PublishStatus> {
    let mut backoff = Backoff::for_broker();
    loop {
        match publisher.publish(window).await {
            Ok(statuses) => {
                health.publishing_up();
                return statuses;
            }
            Err(error) => health.publishing_down(&error.to_string()),
        }
        backoff.pause().await;
    }
}
