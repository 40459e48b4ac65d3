//! Consuming a queue, for ever.

use std::time::Duration;

use futures_util::future::{Ready, ready};
use futures_util::stream::{Chain, Map, Once, SelectAll, once};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery as Incoming;
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
use super::connection::{
    ANSWER_TIMEOUT, RabbitError, close, close_channel, open_channel, trouble, within,
};
use super::intake::GateKeeper;
use super::{RabbitMq, Topology, properties};
use crate::kill_points;
use crate::service_layer::{
    Backoff, ChannelEpoch, CommandSource, ConsumedQueue, Delivery, DeliveryTag, Envelope, Health,
    IntakeBounds, Settlement,
};

/// Most deliveries that are acknowledged one by one at a time.
///
/// Each acknowledgement is a command to the log of a quorum queue. RabbitMQ takes some dozens of them
/// at a time from a channel; further ones wait within the channel, and are lost when it closes.
const MAX_SINGLE_ACKS: usize = 16;

/// How long the connection may stay unread while messages wait for bytes to be free. RabbitMQ closes
/// a connection that takes nothing for 30 s, and with it all that is in hand would come again.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The same for a connection with this heartbeat (in seconds; 0 for none): the client gives up one from
/// which it has read nothing for two heartbeats.
fn max_pause(heartbeat: u16) -> Duration {
    if heartbeat == 0 { MAX_PAUSE } else { MAX_PAUSE.min(Duration::from_secs(heartbeat.into())) }
}

/// How long what was let in may take until it is settled, while the database answers, before it is
/// handed back with the rest.
const MAX_DRAIN: Duration = Duration::from_secs(30);

impl RabbitMq {
    /// Starts to consume commands or dead letters, within the bounds of what may be unacknowledged.
    ///
    /// Until `stop` is cancelled, whatever breaks is built anew. Then no more deliveries come; when
    /// all settlement senders are dropped, what is not settled goes back to the broker and the task
    /// ends.
    pub fn consume(
        &self,
        inflow: ConsumedQueue,
        bounds: IntakeBounds,
        health: Health,
        stop: CancellationToken,
    ) -> (CommandSource, JoinHandle<()>) {
        let (deliveries_in, deliveries) = mpsc::channel(bounds.prefetch.into());
        let (settlements, settlements_out) = mpsc::unbounded_channel();
        let channel_epoch = ChannelEpoch::default();
        let supervisor = Supervisor {
            broker: self.clone(),
            inflow,
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
    inflow: ConsumedQueue,
    bounds: IntakeBounds,
    health: Health,
    stop: CancellationToken,
    channel_epoch: ChannelEpoch,
    /// None once no more deliveries are to come.
    deliveries: Option<mpsc::Sender<Delivery>>,
    settlements: mpsc::UnboundedReceiver<Vec<Settlement>>,
}

impl ConsumedQueue {
    pub(super) fn queues(self, topology: &Topology) -> Vec<String> {
        match self {
            Self::Commands => topology.command_queues(),
            Self::DeadLetters => vec![topology.dead_letter_queue.clone()],
        }
    }

    /// For the name of the connection.
    fn purpose(self) -> &'static str {
        match self {
            Self::Commands => "consumes",
            Self::DeadLetters => "collects",
        }
    }
}

/// How a session ended that did not break.
enum Ended {
    /// After the last settlement.
    Stopped,
    /// All that was let in is settled, and what came after it was discarded.
    Drained,
}

/// What a consumer delivers; None at its end.
type Deliveries = Chain<
    Map<Consumer, fn(lapin::Result<Incoming>) -> Option<lapin::Result<Incoming>>>,
    Once<Ready<Option<lapin::Result<Incoming>>>>,
>;

/// One life of the consuming connection.
struct Session {
    connection: Connection,
    channel: Channel,
    /// One for each queue; the end of one of them is an item of its own.
    consumers: SelectAll<Deliveries>,
    consumer_tags: Vec<ShortString>,
    number: u32,
    gate: GateKeeper,
    acks: AckTracker,
    /// Taken from the consumer, with no room for it yet.
    next: Option<Delivery>,
    /// Since when a delivery came without its body: no more are taken, and what was let in is settled.
    draining_since: Option<Instant>,
}

impl Supervisor {
    async fn run(mut self) {
        let mut backoff = Backoff::for_broker();
        while !self.stop.is_cancelled() {
            let broken = match self.open().await {
                Ok(mut session) => {
                    self.health.consumes(self.inflow);
                    backoff.reset();
                    match self.serve(&mut session).await {
                        Ok(Ended::Stopped) => return session.hand_back_the_rest().await,
                        Ok(Ended::Drained) => {
                            session.hand_back_the_rest().await;
                            continue;
                        }
                        Err(error) => {
                            if matches!(error, RabbitError::FrameTooLarge(_)) {
                                self.broker.call_for_large_frames();
                            }
                            // The broker has all of them again: the lanes need not begin them.
                            let _ = self.channel_epoch.next();
                            error
                        }
                    }
                }
                Err(error) => error,
            };
            self.health.cannot_consume(self.inflow, &broken.to_string());
            tokio::select! {
                () = backoff.pause() => {}
                () = self.stop.cancelled() => {}
            }
        }
        // Stopped while there was no connection: the broker has everything that is not settled.
        self.deliveries = None;
        while self.settlements.recv().await.is_some() {}
    }

    async fn open(&self) -> Result<Session, RabbitError> {
        let gate = GateKeeper::new(self.bounds.bytes.clone());
        let connection = self.broker.connect_gated(self.inflow.purpose(), Some(&gate)).await?;
        self.broker.ensure_topology(&connection).await?;
        let channel = open_channel(&connection).await?;
        let queues = self.inflow.queues(&self.broker.topology);
        // Per consumer, not per channel: quorum queues know no other, and 4.3 refuses `global`.
        let per_consumer = BasicQosOptions { global: false };
        let prefetch = usize::from(self.bounds.prefetch).div_ceil(queues.len());
        let prefetch = u16::try_from(prefetch).unwrap_or(u16::MAX);
        within(ANSWER_TIMEOUT, channel.basic_qos(prefetch, per_consumer)).await?;
        let (mut consumers, mut consumer_tags) = (SelectAll::new(), Vec::new());
        for queue in &queues {
            let consumer = self.consume(&channel, queue, queues.len() > 1).await?;
            consumer_tags.push(consumer.tag());
            let deliveries = consumer.map(Some as fn(_) -> _);
            consumers.push(deliveries.chain(once(ready(None))));
        }
        let number = self.channel_epoch.next();
        Ok(Session {
            connection,
            channel,
            consumers,
            consumer_tags,
            number,
            gate,
            acks: AckTracker::default(),
            next: None,
            draining_since: None,
        })
    }

    /// Of the workers that consume a partition, the one with the highest priority is active. It is a
    /// hash of both (rendezvous hashing), so the partitions spread evenly, and a worker that comes or
    /// goes moves no others than it has to. Quorum queues respect priorities among single active
    /// consumers since RabbitMQ 4.0; before, the first consumer of a queue stays the active one.
    async fn consume(
        &self,
        channel: &Channel,
        queue: &str,
        is_partition: bool,
    ) -> Result<Consumer, RabbitError> {
        let options = BasicConsumeOptions {
            // The worker acknowledges a message after its commit.
            no_ack: false,
            exclusive: false,
            ..BasicConsumeOptions::default()
        };
        let mut arguments = FieldTable::default();
        if is_partition {
            let priority = rendezvous_priority(self.broker.worker_id, queue);
            arguments.insert("x-priority".into(), AMQPValue::ShortInt(priority));
        }
        let consume = channel.basic_consume(queue.into(), "".into(), options, arguments);
        within(ANSWER_TIMEOUT, consume).await
    }

    /// Passes deliveries on and acknowledges what is settled, until the last settlement came after
    /// a stop, or the session is drained.
    async fn serve(&mut self, session: &mut Session) -> Result<Ended, RabbitError> {
        let mut looks = tokio::time::interval(session.max_pause() / 4);
        loop {
            if self.deliveries.is_some() && (session.is_drained() || self.is_out_of_time(session)) {
                return session.ack_all_settled().await.map(|()| Ended::Drained);
            }
            tokio::select! {
                settlements = self.settlements.recv() => match settlements {
                    Some(settlements) => self.settle(session, settlements).await?,
                    None => return session.ack_all_settled().await.map(|()| Ended::Stopped),
                },
                delivery = session.consumers.next(), if session.takes_more() && self.deliveries.is_some() => {
                    session.receive(delivery.flatten()).await?;
                }
                room = reserve(self.deliveries.clone()), if session.next.is_some() => {
                    match room {
                        Some(room) => session.pass_on(room).await?,
                        // The lanes have ended, perhaps before this task has heard of the stop.
                        None => self.take_no_more(session).await?,
                    }
                }
                () = self.stop.cancelled(), if self.deliveries.is_some() => {
                    self.take_no_more(session).await?;
                }
                _ = looks.tick() => session.end_a_long_pause(),
            }
        }
    }

    /// Whether what keeps the session from being drained is not the database: a command of a locked
    /// order, a dead letter that stays in its queue. It is handed back with the rest. In an outage each
    /// time would count towards the delivery limit of all that is in hand.
    fn is_out_of_time(&self, session: &Session) -> bool {
        session.draining_since.is_some_and(|since| since.elapsed() >= MAX_DRAIN)
            && self.health.troubles().database.is_none()
    }

    /// Ends the deliveries; settlements still come.
    async fn take_no_more(&mut self, session: &mut Session) -> Result<(), RabbitError> {
        self.deliveries = None;
        session.next = None;
        // What is still coming is handed back: its bodies must not keep the answer to this waiting.
        session.gate.discard();
        self.health.consumes_no_more(self.inflow);
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
        session.ack_run().await?;
        // Behind deliveries that are stuck, those that are settled fill the prefetch: make some room.
        let mostly_taken = usize::from(self.bounds.prefetch) / 4 * 3;
        if self.deliveries.is_some() && session.acks.unacknowledged() > mostly_taken {
            session.ack_waiting(MAX_SINGLE_ACKS).await?;
        }
        Ok(())
    }
}

/// The priority of a worker's consumer on a queue.
fn rendezvous_priority(worker_id: Uuid, queue: &str) -> i16 {
    let hash = Sha256::new().chain_update(worker_id).chain_update(queue).finalize();
    i16::from_be_bytes([hash[0] & 0x7f, hash[1]])
}

/// Room for a delivery; never, once no more are to come.
async fn reserve(
    deliveries: Option<mpsc::Sender<Delivery>>,
) -> Option<mpsc::OwnedPermit<Delivery>> {
    match deliveries {
        Some(deliveries) => deliveries.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}

impl Session {
    fn takes_more(&self) -> bool {
        self.next.is_none() && self.draining_since.is_none()
    }

    fn is_drained(&self) -> bool {
        self.draining_since.is_some() && self.next.is_none() && self.acks.is_empty()
    }

    fn max_pause(&self) -> Duration {
        max_pause(self.connection.configuration().heartbeat())
    }

    fn end_a_long_pause(&self) {
        if self.gate.paused_for() >= self.max_pause() {
            tracing::warn!(
                "Messages in hand fill MAX_IN_FLIGHT_BYTES; further ones are handed back to the broker until there is room"
            );
            self.gate.discard();
        }
    }

    /// Takes a delivery from the stream; the end of a consumer means that the broker cancelled the consumer (the
    /// queue was deleted, its node went down, an acknowledgement took too long).
    async fn receive(
        &mut self,
        delivery: Option<lapin::Result<Incoming>>,
    ) -> Result<(), RabbitError> {
        let delivery = match delivery {
            Some(Ok(delivery)) => delivery,
            None => {
                return Err(RabbitError::Unavailable(
                    "the broker cancelled the consumer".to_owned(),
                ));
            }
            Some(Err(error)) => return Err(trouble(&error)),
        };
        let tag = delivery.delivery_tag;
        if self.gate.has_discarded(tag) {
            // All that comes from here on has no body, and is handed back at the end.
            self.draining_since.get_or_insert_with(Instant::now);
            return self.cancel().await;
        }
        self.acks.open(tag);
        let (properties, unreadable) = properties::received(&delivery.properties);
        self.next = Some(Delivery {
            tag: DeliveryTag { channel: self.number, number: tag },
            redelivered: delivery.redelivered,
            envelope: Envelope {
                exchange: delivery.exchange.as_str().to_owned(),
                routing_key: delivery.routing_key.as_str().to_owned(),
                properties,
                unreadable,
                body: delivery.data,
            },
            hold: self.gate.claim(tag),
        });
        Ok(())
    }

    /// Passes on the delivery in hand, and those that are already here as long as there is room.
    async fn pass_on(&mut self, room: mpsc::OwnedPermit<Delivery>) -> Result<(), RabbitError> {
        if let Some(delivery) = self.next.take() {
            room.send(delivery);
        }
        match self.consumers.next().now_or_never() {
            Some(delivery) => self.receive(delivery.flatten()).await,
            None => Ok(()),
        }
    }

    fn settle(&mut self, settlements: Vec<Settlement>) {
        for Settlement::Ack(tag) in settlements {
            if tag.channel == self.number {
                self.acks.settle(tag.number);
            }
        }
    }

    /// Acknowledges with one frame all deliveries up to the oldest open one.
    async fn ack_run(&mut self) -> Result<(), RabbitError> {
        match self.acks.take_cumulative() {
            Some(tag) => self.ack(tag, true).await,
            None => Ok(()),
        }
    }

    async fn ack_waiting(&mut self, most: usize) -> Result<(), RabbitError> {
        for tag in self.acks.take_waiting(most) {
            self.ack(tag, false).await?;
        }
        Ok(())
    }

    /// For the end. Lanes that finished what they had leave nothing for single acknowledgements.
    async fn ack_all_settled(&mut self) -> Result<(), RabbitError> {
        self.ack_run().await?;
        self.ack_waiting(usize::MAX).await
    }

    async fn ack(&self, tag: u64, multiple: bool) -> Result<(), RabbitError> {
        within(ANSWER_TIMEOUT, self.channel.basic_ack(tag, BasicAckOptions { multiple })).await?;
        kill_points::reached("acknowledged");
        Ok(())
    }

    async fn cancel(&self) -> Result<(), RabbitError> {
        for tag in &self.consumer_tags {
            let cancelled = self.channel.basic_cancel(tag.clone(), BasicCancelOptions::default());
            within(ANSWER_TIMEOUT, cancelled).await?;
        }
        Ok(())
    }

    /// Nack, not reject: since 4.3 only the latter counts as a failed delivery. Tag 0 stands for
    /// all that is not acknowledged.
    async fn hand_back_the_rest(&self) {
        let all = BasicNackOptions { multiple: true, requeue: true };
        // If this fails, the broker takes everything back with the connection.
        let _ = within(ANSWER_TIMEOUT, self.channel.basic_nack(0, all)).await;
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
            let looked_every = max_pause(heartbeat) / 4;
            let missed_after = Duration::from_secs(heartbeat.into()) * 2;
            assert!(max_pause(heartbeat) + looked_every < missed_after, "{heartbeat} s");
        }
        assert_eq!((max_pause(0), max_pause(60)), (MAX_PAUSE, MAX_PAUSE));
    }
}
