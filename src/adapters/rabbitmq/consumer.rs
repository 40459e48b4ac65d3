//! Consumes commands or dead letters until the worker stops, and reconnects after every error.
//!
//! A [`Session`] is one connection with one channel and a consumer for each queue. It passes deliveries to the
//! lanes, acknowledges what they settle, and ends when anything breaks; the [`Supervisor`] then
//! opens another.

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::ready;
use futures_util::stream::{SelectAll, once};
use futures_util::{FutureExt, Stream, StreamExt};
use lapin::message::Delivery as LapinDelivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ack_tracker::AckTracker;
use super::connection::{close, close_channel, open_channel};
use super::delivery_order::DeliveryOrder;
use super::errors::{RPC_TIMEOUT, RabbitError, rabbit_error, within};
use super::intake::GateHandle;
use super::{RabbitMq, Topology, properties};
use crate::adapters::process_name::process_name;
use crate::kill_points;
use crate::messages::{ConsumedQueue, Envelope};
use crate::metrics::Metrics;
use crate::service_layer::{
    Backoff, ChannelEpoch, CommandSource, Delivery, DeliveryTag, Health, IntakeBounds, Settlement,
};

/// Maximum number of individual acknowledgements at a time.
///
/// Each acknowledgement is a command in the Raft log of a quorum queue. RabbitMQ accepts some
/// dozens at a time from a channel; further ones wait within the channel and are lost when it
/// closes.
const MAX_INDIVIDUAL_ACKS: usize = 16;

/// How long the connection may stay unread while a message waits for free bytes. RabbitMQ closes a
/// connection that reads nothing for 30 s, and redelivers everything unacknowledged on it.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The same for a connection with this heartbeat (in seconds; 0 disables it): lapin closes a
/// connection from which it has read nothing for two heartbeats.
fn max_pause(heartbeat: u16) -> Duration {
    if heartbeat == 0 { MAX_PAUSE } else { MAX_PAUSE.min(Duration::from_secs(heartbeat.into())) }
}

/// How long the lanes may take to settle admitted deliveries while the database is available. After
/// that they are requeued with the discarded ones.
const MAX_DRAIN: Duration = Duration::from_secs(30);

impl RabbitMq {
    /// Starts to consume commands or dead letters, within the limits for unacknowledged deliveries.
    ///
    /// Reconnects after every error until `stop` is cancelled. Then no more deliveries come; once
    /// all settlement senders are dropped, unsettled deliveries are requeued and the task ends.
    pub fn consume(
        &self,
        queue: ConsumedQueue,
        bounds: IntakeBounds,
        health: Health,
        stop: CancellationToken,
    ) -> (CommandSource, JoinHandle<()>) {
        let (deliveries_in, deliveries) = mpsc::channel(bounds.prefetch.into());
        let (settlements, settlements_out) = mpsc::unbounded_channel();
        let channel_epoch = ChannelEpoch::default();
        let supervisor = Supervisor {
            broker: self.clone(),
            queue,
            bounds,
            health,
            stop,
            channel_epoch: channel_epoch.clone(),
            deliveries: Some(deliveries_in),
            settlements: settlements_out,
        };
        let task = tokio::spawn(supervisor.run());
        (CommandSource { deliveries, settlements, channel_epoch }, task)
    }
}

struct Supervisor {
    broker: RabbitMq,
    queue: ConsumedQueue,
    bounds: IntakeBounds,
    health: Health,
    stop: CancellationToken,
    channel_epoch: ChannelEpoch,
    /// `None` once deliveries have ended.
    deliveries: Option<mpsc::Sender<Delivery>>,
    settlements: mpsc::UnboundedReceiver<Vec<Settlement>>,
}

impl ConsumedQueue {
    pub(super) fn queue_names(self, topology: &Topology) -> Vec<String> {
        match self {
            Self::Commands => topology.command_queues(),
            Self::DeadLetters => vec![topology.dead_letter_queue.clone()],
        }
    }

    /// Part of the name of the connection.
    fn purpose(self) -> &'static str {
        match self {
            Self::Commands => "consumes",
            Self::DeadLetters => "collects",
        }
    }
}

/// How a session ended without an error.
enum Ended {
    /// The worker stops, and the last settlement is acknowledged.
    Stopped,
    /// All admitted deliveries are settled; later ones were discarded and need another session.
    Drained,
}

/// What a consumer delivers, with the position of its queue; None at its end.
type Deliveries =
    Pin<Box<dyn Stream<Item = (usize, Option<lapin::Result<LapinDelivery>>)> + Send + Sync>>;

/// One connection with its channel and a consumer for each queue.
struct Session {
    connection: Connection,
    channel: Channel,
    /// The end of each consumer is an item of its own.
    consumers: SelectAll<Deliveries>,
    consumer_tags: Vec<ShortString>,
    /// The number of the channel, part of each delivery tag.
    epoch: u32,
    gate: GateHandle,
    /// Counts the commands of each partition; none for dead letters.
    metrics: Option<Metrics>,
    acks: AckTracker,
    /// Received from the broker, not accepted yet.
    received: DeliveryOrder<LapinDelivery>,
    /// Accepted, waiting for room in the channel to the lanes.
    next: Option<Delivery>,
    /// When the first delivery without its body came. Since then no more are accepted, and the
    /// admitted ones are being settled.
    draining_since: Option<Instant>,
    /// Whether the queues have a single active consumer each. Then the consumers are never cancelled:
    /// the broker would activate those of another worker at once, before what this one holds is
    /// settled or requeued. When the channel closes, the broker requeues first.
    is_single_active: bool,
}

impl Supervisor {
    async fn run(mut self) {
        let mut backoff = Backoff::for_broker();
        while !self.stop.is_cancelled() {
            let error = match self.open().await {
                Ok(mut session) => {
                    self.health.consumer_started(self.queue);
                    backoff.reset();
                    match self.serve(&mut session).await {
                        Ok(Ended::Stopped) => return session.requeue_unsettled().await,
                        Ok(Ended::Drained) => {
                            session.requeue_unsettled().await;
                            continue;
                        }
                        Err(error) => {
                            if matches!(error, RabbitError::FrameTooLarge(_)) {
                                self.broker.use_large_frames();
                            }
                            // The broker redelivers everything unacknowledged: lanes can skip
                            // these.
                            let _ = self.channel_epoch.next();
                            error
                        }
                    }
                }
                Err(error) => error,
            };
            self.health.consumer_failed(self.queue, &error.to_string());
            tokio::select! {
                () = backoff.pause() => {}
                () = self.stop.cancelled() => {}
            }
        }
        // Stopped while disconnected: the broker has requeued everything unacknowledged.
        self.deliveries = None;
        while self.settlements.recv().await.is_some() {}
    }

    async fn open(&self) -> Result<Session, RabbitError> {
        let gate = GateHandle::new(self.bounds.bytes.clone());
        let connection = self.broker.connect_gated(self.queue.purpose(), Some(&gate)).await?;
        self.broker.ensure_topology(&connection).await?;
        let channel = open_channel(&connection).await?;
        let queues = self.queue.queue_names(&self.broker.topology);
        // Per consumer: quorum queues do not support a global prefetch, and RabbitMQ 4.3 refuses
        // it.
        let per_consumer = BasicQosOptions { global: false };
        let prefetch = usize::from(self.bounds.prefetch).div_ceil(queues.len());
        let prefetch = u16::try_from(prefetch).unwrap_or(u16::MAX);
        within(RPC_TIMEOUT, channel.basic_qos(prefetch, per_consumer)).await?;
        let (mut consumers, mut consumer_tags) = (SelectAll::new(), Vec::new());
        for (position, queue) in queues.iter().enumerate() {
            let tag = format!("{} {position}", process_name());
            let consumer = self.consume(&channel, queue, &tag, queues.len() > 1).await?;
            consumer_tags.push(consumer.tag());
            let deliveries = consumer.map(Some).chain(once(ready(None)));
            let deliveries = deliveries.map(move |delivery| (position, delivery));
            consumers.push(Box::pin(deliveries) as Deliveries);
        }
        let metrics =
            (self.queue == ConsumedQueue::Commands).then(|| self.health.metrics().clone());
        if let Some(metrics) = &metrics {
            metrics.partitions.consumes(queues.len());
        }
        let epoch = self.channel_epoch.next();
        Ok(Session {
            connection,
            channel,
            consumers,
            consumer_tags,
            epoch,
            gate,
            metrics,
            acks: AckTracker::default(),
            received: DeliveryOrder::default(),
            next: None,
            draining_since: None,
            is_single_active: self.queue == ConsumedQueue::Commands && self.broker.topology.ordered,
        })
    }

    /// Of the workers that consume a partition, the one with the highest priority is active. It is a
    /// hash of both (rendezvous hashing), so the partitions spread over the workers, and a worker that
    /// comes or goes moves no others than it has to. Quorum queues respect priorities among single
    /// active consumers since RabbitMQ 4.0; before, the first consumer of a queue stays the active one.
    async fn consume(
        &self,
        channel: &Channel,
        queue: &str,
        tag: &str,
        is_partition: bool,
    ) -> Result<Consumer, RabbitError> {
        let options = BasicConsumeOptions {
            // Manual acknowledgements, after the commit.
            no_ack: false,
            // Other workers consume the same queue.
            exclusive: false,
            ..BasicConsumeOptions::default()
        };
        let mut arguments = FieldTable::default();
        if is_partition {
            let priority = rendezvous_priority(self.broker.worker_id, queue);
            arguments.insert("x-priority".into(), AMQPValue::ShortInt(priority));
        }
        let consume = channel.basic_consume(queue.into(), tag.into(), options, arguments);
        within(RPC_TIMEOUT, consume).await
    }

    /// Passes deliveries to the lanes and acknowledges settled ones, until the last settlement
    /// after a stop, or until the session is drained.
    async fn serve(&mut self, session: &mut Session) -> Result<Ended, RabbitError> {
        let mut pause_check = tokio::time::interval(session.max_pause() / 4);
        loop {
            if self.deliveries.is_some() && (session.is_drained() || self.drain_timed_out(session))
            {
                return session.ack_all_settled().await.map(|()| Ended::Drained);
            }
            // Another worker need not wait until this one has published the last events.
            if self.deliveries.is_none() && session.acks.is_empty() {
                return Ok(Ended::Stopped);
            }
            tokio::select! {
                settlements = self.settlements.recv() => match settlements {
                    Some(settlements) => self.settle(session, settlements).await?,
                    None => return session.ack_all_settled().await.map(|()| Ended::Stopped),
                },
                delivery = session.consumers.next(), if session.accepts_more() && self.deliveries.is_some() => {
                    session.receive(delivery).await?;
                }
                room = reserve(self.deliveries.clone()), if session.next.is_some() => {
                    match room {
                        Some(room) => session.pass_on(room).await?,
                        // The lanes have ended, perhaps before this task has seen the stop.
                        None => self.stop_consuming(session).await?,
                    }
                }
                () = self.stop.cancelled(), if self.deliveries.is_some() => {
                    self.stop_consuming(session).await?;
                }
                _ = pause_check.tick() => session.end_long_pause(),
            }
        }
    }

    /// Whether draining takes too long for another reason than an unavailable database, such as a
    /// locked order. Then the rest is requeued. Not during an outage, when every requeue would
    /// count towards the delivery limit of all unsettled messages.
    fn drain_timed_out(&self, session: &Session) -> bool {
        session.draining_since.is_some_and(|since| since.elapsed() >= MAX_DRAIN)
            && self.health.outages().database.is_none()
    }

    /// Accepts no more deliveries; settlements are still acknowledged.
    async fn stop_consuming(&mut self, session: &mut Session) -> Result<(), RabbitError> {
        self.deliveries = None;
        if let Some(delivery) = session.next.take() {
            session.acks.forget(delivery.tag.number);
        }
        // Deliveries on their way are requeued; waiting for their bytes would delay
        // `basic.cancel-ok`.
        session.gate.discard();
        self.health.consumer_stopped(self.queue);
        session.cancel().await
    }

    async fn settle(
        &mut self,
        session: &mut Session,
        first: Vec<Settlement>,
    ) -> Result<(), RabbitError> {
        session.settle(first);
        while let Ok(more) = self.settlements.try_recv() {
            session.settle(more);
        }
        session.ack_cumulative().await?;
        // Behind a delivery that stays open, settled ones fill the prefetch: acknowledge some of
        // them individually.
        let nearly_full = usize::from(self.bounds.prefetch) / 4 * 3;
        if self.deliveries.is_some() && session.acks.unacknowledged() > nearly_full {
            session.ack_individually(MAX_INDIVIDUAL_ACKS).await?;
        }
        Ok(())
    }
}

/// The priority of a worker's consumer on a queue.
fn rendezvous_priority(worker_id: Uuid, queue: &str) -> i16 {
    let hash = Sha256::new().chain_update(worker_id).chain_update(queue).finalize();
    i16::from_be_bytes([hash[0] & 0x7f, hash[1]])
}

/// Waits for room in the channel to the lanes; forever once deliveries have ended.
async fn reserve(
    deliveries: Option<mpsc::Sender<Delivery>>,
) -> Option<mpsc::OwnedPermit<Delivery>> {
    match deliveries {
        Some(deliveries) => deliveries.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}

impl Session {
    fn accepts_more(&self) -> bool {
        self.next.is_none() && self.draining_since.is_none()
    }

    fn is_drained(&self) -> bool {
        self.draining_since.is_some() && self.next.is_none() && self.acks.is_empty()
    }

    fn max_pause(&self) -> Duration {
        max_pause(self.connection.configuration().heartbeat())
    }

    fn end_long_pause(&self) {
        if self.gate.paused_for() >= self.max_pause() {
            tracing::warn!(
                "Messages in flight fill MAX_IN_FLIGHT_BYTES: further ones are requeued until there is room"
            );
            self.gate.discard();
        }
    }

    /// Takes a delivery from the stream. The stream ends when the broker cancels the consumer:
    /// the queue was deleted, its node went down, or an acknowledgement took too long.
    async fn receive(
        &mut self,
        delivery: Option<(usize, Option<lapin::Result<LapinDelivery>>)>,
    ) -> Result<(), RabbitError> {
        let (position, delivery) = match delivery {
            Some((position, Some(Ok(delivery)))) => (position, delivery),
            None | Some((_, None)) => {
                return Err(RabbitError::Unavailable(
                    "the broker cancelled the consumer".to_owned(),
                ));
            }
            Some((_, Some(Err(error)))) => return Err(rabbit_error(&error)),
        };
        if let Some(metrics) = &self.metrics {
            metrics.partitions.received(position);
        }
        self.received.add(delivery.delivery_tag, delivery);
        self.accept_next().await
    }

    /// Accepts the delivery whose turn it is by its tag, if it is here.
    async fn accept_next(&mut self) -> Result<(), RabbitError> {
        if !self.accepts_more() {
            return Ok(());
        }
        let Some(delivery) = self.received.take_next() else { return Ok(()) };
        let tag = delivery.delivery_tag;
        if self.gate.has_discarded(tag) {
            // From here on deliveries have no body; they are requeued at the end of the session.
            self.draining_since.get_or_insert_with(Instant::now);
            return self.cancel().await;
        }
        self.acks.open(tag);
        let (properties, properties_error) = properties::received(&delivery.properties);
        self.next = Some(Delivery {
            tag: DeliveryTag { channel: self.epoch, number: tag },
            redelivered: delivery.redelivered,
            envelope: Envelope {
                exchange: delivery.exchange.as_str().to_owned(),
                routing_key: delivery.routing_key.as_str().to_owned(),
                properties,
                properties_error,
                body: delivery.data,
            },
            reservation: self.gate.claim(tag),
        });
        Ok(())
    }

    /// Passes on the waiting delivery, and accepts the next one if it is already here.
    async fn pass_on(&mut self, room: mpsc::OwnedPermit<Delivery>) -> Result<(), RabbitError> {
        if let Some(delivery) = self.next.take() {
            room.send(delivery);
        }
        self.accept_next().await?;
        if !self.accepts_more() {
            return Ok(());
        }
        match self.consumers.next().now_or_never() {
            Some(delivery) => self.receive(delivery).await,
            None => Ok(()),
        }
    }

    fn settle(&mut self, settlements: Vec<Settlement>) {
        for Settlement::Ack(tag) in settlements {
            if tag.channel == self.epoch {
                self.acks.settle(tag.number);
            }
        }
    }

    /// Acknowledges all deliveries before the oldest open one, with one frame.
    async fn ack_cumulative(&mut self) -> Result<(), RabbitError> {
        match self.acks.take_cumulative() {
            Some(tag) => self.ack(tag, true).await,
            None => Ok(()),
        }
    }

    async fn ack_individually(&mut self, max: usize) -> Result<(), RabbitError> {
        for tag in self.acks.take_individual(max) {
            self.ack(tag, false).await?;
        }
        Ok(())
    }

    /// At the end of a session. Lanes that settled everything leave nothing to acknowledge
    /// individually.
    async fn ack_all_settled(&mut self) -> Result<(), RabbitError> {
        self.ack_cumulative().await?;
        self.ack_individually(usize::MAX).await
    }

    async fn ack(&self, tag: u64, multiple: bool) -> Result<(), RabbitError> {
        within(RPC_TIMEOUT, self.channel.basic_ack(tag, BasicAckOptions { multiple })).await?;
        kill_points::reached("acknowledged");
        Ok(())
    }

    /// Further deliveries on the way are discarded, and requeued at the end of the session.
    async fn cancel(&self) -> Result<(), RabbitError> {
        if self.is_single_active {
            return Ok(());
        }
        for tag in &self.consumer_tags {
            let cancelled = self.channel.basic_cancel(tag.clone(), BasicCancelOptions::default());
            within(RPC_TIMEOUT, cancelled).await?;
        }
        Ok(())
    }

    /// Requeues everything unacknowledged (delivery tag 0 with `multiple`) and closes the
    /// connection. With `basic.nack` where the consumers are cancelled: since RabbitMQ 4.3, a closed
    /// channel counts as a failed delivery, and a nack does not. An active consumer would get the
    /// messages back at once.
    async fn requeue_unsettled(&self) {
        if !self.is_single_active {
            let all = BasicNackOptions { multiple: true, requeue: true };
            // If this fails, the broker requeues everything when the connection closes.
            let _ = within(RPC_TIMEOUT, self.channel.basic_nack(0, all)).await;
        }
        close_channel(&self.channel).await;
        close(&self.connection).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_well_before_the_heartbeat_is_missed() {
        for heartbeat in [1, 5, 10, 60] {
            let check_interval = max_pause(heartbeat) / 4;
            let missed_after = Duration::from_secs(heartbeat.into()) * 2;
            assert!(max_pause(heartbeat) + check_interval < missed_after, "{heartbeat} s");
        }
        assert_eq!((max_pause(0), max_pause(60)), (MAX_PAUSE, MAX_PAUSE));
    }
}
