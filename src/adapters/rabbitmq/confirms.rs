//! The confirms of one window.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use lapin::message::BasicReturnMessage;
use lapin::{Connection, PublisherConfirm};

use super::connection::{RabbitError, publishing_trouble};

/// Between two log lines about a broker that blocks publishing.
const BLOCKED_LOG_INTERVAL: Duration = Duration::from_secs(30);

/// The confirms that a window waits for, and those that have come.
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

    /// Waits until all of these have come, the last one first: when it is ready, as a rule all are, and
    /// the task was woken once and not for each of them. Returned messages go to `returned`.
    pub(super) async fn wait_for(
        &mut self,
        is_waited_for: impl Fn(usize) -> bool,
        returned: &mut Vec<BasicReturnMessage>,
    ) -> lapin::Result<()> {
        for (place, confirm) in self.0.iter_mut().enumerate().rev() {
            if let Confirm::Pending(pending) = confirm
                && is_waited_for(place)
            {
                *confirm = judged(pending.await?, returned);
            }
        }
        Ok(())
    }

    /// Takes those that have come meanwhile.
    pub(super) fn take_ready(
        &mut self,
        returned: &mut Vec<BasicReturnMessage>,
    ) -> lapin::Result<()> {
        for confirm in &mut self.0 {
            if let Confirm::Pending(pending) = confirm
                && let Some(confirmation) = pending.now_or_never()
            {
                *confirm = judged(confirmation?, returned);
            }
        }
        Ok(())
    }

    /// Whether each was an ack; none for those that have not come.
    pub(super) fn acks(&self) -> impl Iterator<Item = Option<bool>> {
        self.0.iter().map(|confirm| match confirm {
            Confirm::Pending(_) => None,
            Confirm::Ack => Some(true),
            Confirm::Nack => Some(false),
        })
    }
}

fn judged(confirmation: lapin::Confirmation, returned: &mut Vec<BasicReturnMessage>) -> Confirm {
    let is_ack = confirmation.is_ack();
    returned.extend(confirmation.take_message());
    if is_ack { Confirm::Ack } else { Confirm::Nack }
}

/// Awaits the broker for at most `limit` at a stretch; none when it took longer. While the broker
/// blocks the connection, waits on: the messages are on their way, and publishing them again would
/// only add to what the broker has too much of.
pub(super) async fn unless_blocked<T>(
    connection: &Connection,
    mut limit: Duration,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<Option<T>, RabbitError> {
    let mut answer = pin!(answer);
    loop {
        match tokio::time::timeout(limit, answer.as_mut()).await {
            Ok(answer) => return answer.map(Some).map_err(|error| publishing_trouble(&error)),
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
