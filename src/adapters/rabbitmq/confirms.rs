//! Collects the publisher confirms of one batch.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use lapin::message::BasicReturnMessage;
use lapin::{Connection, PublisherConfirm};

use super::errors::{RabbitError, publishing_error};

/// Interval between two log lines about a blocked connection.
const BLOCKED_LOG_INTERVAL: Duration = Duration::from_secs(30);

/// The confirms of a batch, in the order of its messages.
pub(super) struct Confirms(Vec<Confirm>);

enum Confirm {
    Pending(PublisherConfirm),
    Ack,
    Nack,
}

impl Confirms {
    pub(super) fn new(confirms: Vec<PublisherConfirm>) -> Self {
        Self(confirms.into_iter().map(Confirm::Pending).collect())
    }

    /// Waits for the selected confirms. Starts with the last one: when that has come, usually all
    /// have, and the task is woken once instead of once per confirm. Returned messages go to
    /// `returned`.
    pub(super) async fn wait_for(
        &mut self,
        is_selected: impl Fn(usize) -> bool,
        returned: &mut Vec<BasicReturnMessage>,
    ) -> lapin::Result<()> {
        for (position, confirm) in self.0.iter_mut().enumerate().rev() {
            if let Confirm::Pending(pending) = confirm
                && is_selected(position)
            {
                *confirm = outcome(pending.await?, returned);
            }
        }
        Ok(())
    }

    /// Collects the confirms that have come, without waiting.
    pub(super) fn take_ready(
        &mut self,
        returned: &mut Vec<BasicReturnMessage>,
    ) -> lapin::Result<()> {
        for confirm in &mut self.0 {
            if let Confirm::Pending(pending) = confirm
                && let Some(confirmation) = pending.now_or_never()
            {
                *confirm = outcome(confirmation?, returned);
            }
        }
        Ok(())
    }

    /// `Some(true)` for each ack, `Some(false)` for each nack, `None` while no confirm has come.
    pub(super) fn acks(&self) -> impl Iterator<Item = Option<bool>> {
        self.0.iter().map(|confirm| match confirm {
            Confirm::Pending(_) => None,
            Confirm::Ack => Some(true),
            Confirm::Nack => Some(false),
        })
    }
}

fn outcome(confirmation: lapin::Confirmation, returned: &mut Vec<BasicReturnMessage>) -> Confirm {
    let is_ack = confirmation.is_ack();
    returned.extend(confirmation.take_message());
    if is_ack { Confirm::Ack } else { Confirm::Nack }
}

/// Awaits the broker for at most `limit`; `None` after that. Keeps waiting while the broker blocks
/// the connection: the messages are on their way, and publishing them again would only add to its
/// load.
pub(super) async fn unless_blocked<T>(
    connection: &Connection,
    mut limit: Duration,
    reply: impl Future<Output = lapin::Result<T>>,
) -> Result<Option<T>, RabbitError> {
    let mut reply = pin!(reply);
    loop {
        match tokio::time::timeout(limit, reply.as_mut()).await {
            Ok(reply) => return reply.map(Some).map_err(|error| publishing_error(&error)),
            Err(_) if connection.status().blocked() => {
                tracing::warn!(
                    "The broker blocks publishing (memory or disk alarm), still waiting"
                );
                limit = BLOCKED_LOG_INTERVAL;
            }
            Err(_) => return Ok(None),
        }
    }
}
