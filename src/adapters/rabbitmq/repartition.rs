//! Changes the number of partitions while publishers go on.
//!
//! The queues of the new number are declared and bound before the old ones are unbound, so each command
//! goes to one of both sets, or to both for a moment, which the inbox finds out. The old set is emptied
//! by the workers that consume it. Only when it is empty and without consumers may workers consume the
//! new one: so all commands of an order take effect in their order. Each step can be repeated.

use lapin::Connection;

use super::connection::{close, open_channel};
use super::errors::RabbitError;
use super::queue_stats::queue_depths;
use super::resource::Resource;
use super::topology::declare_all;
use super::{RabbitMq, Topology};
use crate::messages::QueueDepth;
use crate::service_layer::doctor::ResourceStatus;

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
    pub consumers: u64,
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
        match declare_new(&old, &new, &connection).await {
            Ok(is_switched) => Ok(Repartition { connection, old, new, is_switched }),
            Err(error) => {
                close(&connection).await;
                Err(error)
            }
        }
    }
}

/// Declares the new queues, unless an earlier run has got past that; returns whether it has.
async fn declare_new(
    old: &Topology,
    new: &Topology,
    connection: &Connection,
) -> Result<bool, RabbitError> {
    match old.marker().declare_unbound(connection).await {
        Ok(()) => declare_all(&new.partition_resources(), connection).await.map(|()| false),
        Err(different @ RabbitError::Topology { .. }) => {
            let is_new = new.marker().declare_unbound(connection).await;
            is_new.map(|()| true).map_err(|_| different)
        }
        Err(error) => Err(error),
    }
}

impl Repartition {
    /// Takes the old queues off the commands exchange, also when a worker has bound them again, and
    /// counts what is left in them.
    ///
    /// # Errors
    /// When the broker is unavailable.
    pub async fn old_queues(&self) -> Result<OldQueues, RabbitError> {
        let resources = self.old.partition_resources();
        for resource in resources.iter().filter(|it| it.is_bound_to(&self.old.commands_exchange)) {
            if self.is_switched
                && resource.verify(&self.connection).await? == ResourceStatus::Missing
            {
                continue;
            }
            resource.unbind(&self.connection).await?;
        }
        let queues = resources.iter().filter(|it| matches!(it, Resource::Queue { .. }));
        let queues: Vec<String> = queues.map(|queue| queue.name().to_owned()).collect();
        let mut found = OldQueues { ready: 0, consumers: 0 };
        for (queue, depth) in queues.iter().zip(queue_depths(&self.connection, &queues).await?) {
            match depth {
                Some(QueueDepth { ready, consumers }) => {
                    found.ready += ready;
                    found.consumers = found.consumers.max(consumers);
                }
                None if self.is_switched => {}
                None => return Err(RabbitError::does_not_exist(format!("queue {queue}"))),
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
        let finished = self.delete_old().await;
        self.close().await;
        finished
    }

    async fn delete_old(&self) -> Result<(), RabbitError> {
        let channel = open_channel(&self.connection).await?;
        if !self.is_switched {
            self.old.marker().delete(&channel).await?;
            self.new.marker().declare_unbound(&self.connection).await?;
        }
        for resource in self.old.partition_resources() {
            resource.delete(&channel).await?;
        }
        Ok(())
    }

    /// Leaves the rest to another run.
    pub async fn close(self) {
        close(&self.connection).await;
    }
}
