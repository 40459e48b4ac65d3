//! Changes the number of partitions while publishers go on.
//!
//! The queues of the new number are declared and bound before the old ones are unbound, so each command
//! goes to one of both sets, or to both for a moment, which the inbox finds out. The old set is emptied
//! by the workers that consume it. Only when it is empty and without consumers may workers consume the
//! new one: so all commands of an order take effect in their order. Each step can be repeated.

use lapin::Connection;
use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;

use super::connection::{RPC_TIMEOUT, RabbitError, close, open_channel, within};
use super::resource::Resource;
use super::topology::declare_all;
use super::{RabbitMq, ResourceStatus, Topology};

/// A change of the number of partitions under way.
#[derive(Debug)]
pub struct Repartition {
    connection: Connection,
    old: Topology,
    new: Topology,
    /// A run before this one had got that far: only the old queues are left to be deleted.
    is_switched: bool,
}

/// What is left of the old queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldQueues {
    /// Messages that no worker has, in the queues of commands and of their retries.
    pub ready: u64,
    /// Workers that consume them.
    pub consumers: u32,
}

impl OldQueues {
    /// Without consumers nothing is unacknowledged.
    pub fn are_done(self) -> bool {
        self.ready == 0 && self.consumers == 0
    }
}

impl RabbitMq {
    /// Begins to replace the present queues of commands by those of another number, with or without a
    /// single active consumer: from now on new commands go to the new ones.
    ///
    /// # Errors
    /// [`RabbitError::Topology`] when the broker has another number of partitions than this topology,
    /// or lacks the plugin.
    pub async fn begin_repartition(
        &self,
        partitions: u16,
        ordered: bool,
    ) -> Result<Repartition, RabbitError> {
        let connection = self.connect("repartitions").await?;
        let old = Topology::clone(&self.topology);
        let new = Topology { partitions, ordered, ..old.clone() };
        let is_switched = match old.marker().declare_unbound(&connection).await {
            Ok(()) => false,
            Err(different @ RabbitError::Topology { .. }) => {
                let is_new = new.marker().declare_unbound(&connection).await;
                is_new.map_err(|_| different).map(|()| true)?
            }
            Err(error) => return Err(error),
        };
        if !is_switched {
            declare_all(&new.partition_resources(), &connection).await?;
        }
        Ok(Repartition { connection, old, new, is_switched })
    }
}

impl Repartition {
    /// Takes the old queues off the commands exchange, also when a worker has bound them again, and
    /// counts what is left in them.
    ///
    /// # Errors
    /// When the broker is unavailable.
    pub async fn old_queues(&self) -> Result<OldQueues, RabbitError> {
        let mut found = OldQueues { ready: 0, consumers: 0 };
        for resource in self.old.partition_resources() {
            if self.is_switched
                && resource.verify(&self.connection).await? == ResourceStatus::Missing
            {
                continue;
            }
            if resource.is_bound_to(&self.old.commands_exchange) {
                resource.unbind(&self.connection).await?;
            }
            if let Resource::Queue { name, .. } = &resource {
                let channel = open_channel(&self.connection).await?;
                let options =
                    QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
                let seen =
                    channel.queue_declare(name.as_str().into(), options, FieldTable::default());
                let seen = within(RPC_TIMEOUT, seen).await?;
                found.ready += u64::from(seen.message_count());
                found.consumers = found.consumers.max(seen.consumer_count());
            }
        }
        Ok(found)
    }

    /// Deletes the old queues, which must be [done](OldQueues::are_done), and lets workers with the new
    /// number in.
    ///
    /// # Errors
    /// When the broker is unavailable.
    pub async fn finish(self) -> Result<(), RabbitError> {
        let channel = open_channel(&self.connection).await?;
        if !self.is_switched {
            let marker = self.old.partitions_marker();
            let deleted =
                channel.queue_delete(marker.as_str().into(), QueueDeleteOptions::default());
            within(RPC_TIMEOUT, deleted).await?;
            self.new.marker().declare_unbound(&self.connection).await?;
        }
        for resource in self.old.partition_resources() {
            let name = resource.name().into();
            match resource {
                Resource::Exchange { .. } => {
                    let deleted = channel.exchange_delete(name, ExchangeDeleteOptions::default());
                    within(RPC_TIMEOUT, deleted).await?;
                }
                Resource::Queue { .. } => {
                    let deleted = channel.queue_delete(name, QueueDeleteOptions::default());
                    within(RPC_TIMEOUT, deleted).await?;
                }
            }
        }
        close(&self.connection).await;
        Ok(())
    }
}
