//! The port through which messages go out.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{Backoff, Health};
use crate::messages::{Publication, PublishStatus};

/// Why nothing is known about a window: the connection broke, or could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the broker took no messages: {0}")]
pub struct PublishError(pub String);

/// Publishes windows of messages.
#[async_trait]
pub trait Publisher: Debug + Send + Sync {
    /// Publishes the window in its order and waits until each message is judged by itself.
    ///
    /// The result MUST hold one status for each message, in the same order. A returned message MUST
    /// be told from its neighbours by its message id. A message whose confirm does not come MUST
    /// end as [`PublishStatus::Unconfirmed`] within a bounded time, the time of a blocked connection
    /// not counted; a target that was slow before MUST delay later windows only briefly. A reply
    /// ([`Target::Queue`](crate::messages::Target::Queue)) MUST NOT reach a queue of the worker's own.
    ///
    /// One message that the broker does not accept MUST NOT keep the others from being published; these
    /// may be published more than once then.
    ///
    /// Cancel safety: a window that was dropped midway may be published in part.
    ///
    /// # Errors
    /// When the connection broke or could not be opened. Some of the messages may have been
    /// published; publishing the window again is then the caller's choice.
    async fn publish(&mut self, window: &[Publication])
    -> Result<Vec<PublishStatus>, PublishError>;
}

/// Publishes a window once, and again only after trouble with the connection: then without end. The
/// caller stops it by dropping the future.
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
