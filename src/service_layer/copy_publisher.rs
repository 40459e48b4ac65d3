//! Publishes copies of commands, and acknowledges each command when its copy is confirmed.

use super::{
    AckSender, ByteReservation, ChannelEpoch, DeliveryTag, Health, Publisher, Settlement,
    publish_window,
};
use crate::messages::{Publication, PublishStatus};

/// Maximum copies that are published together.
pub const MAX_COPIES_TOGETHER: usize = 500;

/// The copy of a command for a retry queue, the dead letters or another partition.
#[derive(Debug)]
pub struct CommandCopy<T> {
    pub copy: Publication,
    /// The tag of the command, which is acknowledged when the copy is confirmed.
    pub tag: DeliveryTag,
    /// The bytes that the command takes of the budget; given back then.
    pub reservation: Option<ByteReservation>,
    /// What else its publisher needs to know.
    pub details: T,
}

/// What publishes copies, and settles their commands.
#[derive(Debug)]
pub struct CopyPublisher {
    pub publisher: Box<dyn Publisher>,
    pub health: Health,
    pub settlements: AckSender,
    pub channel_epoch: ChannelEpoch,
}

impl CopyPublisher {
    /// Whether the broker has the command again and will redeliver it: its copy would be one too many.
    pub fn is_stale<T>(&self, copy: &CommandCopy<T>) -> bool {
        self.channel_epoch.is_stale(copy.tag)
    }

    /// Publishes the copies and acknowledges the commands of those that are confirmed. Returns the
    /// details of these, and the other copies in their order.
    pub async fn publish<T>(
        &mut self,
        copies: Vec<CommandCopy<T>>,
    ) -> (Vec<T>, Vec<CommandCopy<T>>) {
        let (mut confirmed, mut kept) = (Vec::new(), Vec::new());
        if copies.is_empty() {
            return (confirmed, kept);
        }
        let split = |it: CommandCopy<T>| (it.copy, (it.tag, it.reservation, it.details));
        let (window, commands): (Vec<_>, Vec<_>) = copies.into_iter().map(split).unzip();
        let statuses = publish_window(&mut *self.publisher, &self.health, &window).await;
        let mut acks = Vec::with_capacity(window.len());
        for ((copy, command), status) in window.into_iter().zip(commands).zip(statuses) {
            let (tag, reservation, details) = command;
            if status == PublishStatus::Confirmed {
                acks.push(Settlement::Ack(tag));
                confirmed.push(details);
            } else {
                self.health.record_copy_failure(&copy.target, status);
                kept.push(CommandCopy { copy, tag, reservation, details });
            }
        }
        // Without a source, the broker redelivers the commands: a copy more, none less.
        let _ = self.settlements.send(acks);
        (confirmed, kept)
    }
}
