//! Consuming a queue, for ever.

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery as Incoming;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::acks::Acks;
use super::connection::{
    ANSWER_TIMEOUT, RabbitError, close, close_channel, open_channel, trouble, within,
};
use super::{RabbitMq, Topology, properties};
use crate::kill_points;
use crate::service_layer::{
    Backoff, CommandSource, Delivery, Health, Inflow, PresentChannel, Settlement, Tag,
};

/// Most deliveries that are acknowledged one by one at a time.
///
/// Each acknowledgement is a command to the log of a quorum queue. RabbitMQ takes some dozens of them
/// at a time from a channel; further ones wait within the channel, and are lost when it closes.
const MOST_SINGLE_ACKS: usize = 16;

impl RabbitMq {
    /// Starts to consume commands or dead letters, with at most `prefetch` unacknowledged deliveries.
    ///
    /// Until `stop` is cancelled, whatever breaks is built anew. Then no more deliveries come; when
    /// all settlement senders are dropped, what is not settled goes back to the broker and the task
    /// ends.
    #[must_use]
    pub fn consume(
        &self,
        inflow: Inflow,
        prefetch: u16,
        health: Health,
        stop: CancellationToken,
    ) -> (CommandSource, JoinHandle<()>) {
        let (deliveries_in, deliveries) = mpsc::channel(prefetch.into());
        let (settlements, settlements_out) = mpsc::unbounded_channel();
        let present_channel = PresentChannel::default();
        let supervisor = Supervisor {
            broker: self.clone(),
            inflow,
            prefetch,
            health,
            stop,
            present_channel: present_channel.clone(),
            one_at_a_time: false,
            deliveries: Some(deliveries_in),
            settlements: settlements_out,
        };
        let task = tokio::spawn(supervisor.run());
        (CommandSource { deliveries, settlements, present_channel }, task)
    }
}

struct Supervisor {
    broker: RabbitMq,
    inflow: Inflow,
    prefetch: u16,
    health: Health,
    stop: CancellationToken,
    present_channel: PresentChannel,
    /// Since a message came that the client cannot read, until all that the broker took back with it
    /// has come again. Whatever is in hand when such a message ends the connection has come once
    /// more, and the delivery limit must not take the neighbours along.
    one_at_a_time: bool,
    /// None once no more deliveries are to come.
    deliveries: Option<mpsc::Sender<Delivery>>,
    settlements: mpsc::UnboundedReceiver<Vec<Settlement>>,
}

impl Inflow {
    pub(super) fn queue(self, topology: &Topology) -> &str {
        match self {
            Self::Commands => &topology.commands_queue,
            Self::DeadLetters => &topology.dead_letter_queue,
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
    /// The first message came that has not come before.
    CaughtUp,
}

/// One life of the consuming connection.
struct Session {
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
    number: u32,
    acks: Acks,
    /// Taken from the consumer, with no room for it yet.
    next: Option<Delivery>,
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
                        Ok(Ended::CaughtUp) => {
                            self.one_at_a_time = false;
                            session.hand_back_the_rest().await;
                            continue;
                        }
                        Err(error) => {
                            match &error {
                                RabbitError::Unreadable(_) => self.one_at_a_time = true,
                                RabbitError::FrameTooLarge(_) => {
                                    self.broker.call_for_large_frames();
                                }
                                RabbitError::Unavailable(_)
                                | RabbitError::Topology { .. }
                                | RabbitError::Address(_) => {}
                            }
                            // The broker has all of them again: the lanes need not begin them.
                            let _ = self.present_channel.next();
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
        let connection = self.broker.connect(self.inflow.purpose()).await?;
        self.broker.ensure_topology(&connection).await?;
        let channel = open_channel(&connection).await?;
        // Per consumer, not per channel: quorum queues know no other, and 4.3 refuses `global`.
        let per_consumer = BasicQosOptions { global: false };
        let prefetch = if self.one_at_a_time { 1 } else { self.prefetch };
        within(ANSWER_TIMEOUT, channel.basic_qos(prefetch, per_consumer)).await?;
        let queue = self.inflow.queue(&self.broker.topology);
        let options = BasicConsumeOptions {
            // Whatever is acknowledged is so by us, after its commit.
            no_ack: false,
            // Many workers share the queue.
            exclusive: false,
            ..BasicConsumeOptions::default()
        };
        let consume =
            channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let consumer = within(ANSWER_TIMEOUT, consume).await?;
        let number = self.present_channel.next();
        Ok(Session { connection, channel, consumer, number, acks: Acks::default(), next: None })
    }

    /// Passes deliveries on and acknowledges what is settled, until the last settlement came after
    /// a stop, or the session has caught up.
    async fn serve(&mut self, session: &mut Session) -> Result<Ended, RabbitError> {
        loop {
            tokio::select! {
                settlements = self.settlements.recv() => match settlements {
                    Some(settlements) => self.settle(session, settlements).await?,
                    None => return session.ack_all_settled().await.map(|()| Ended::Stopped),
                },
                delivery = session.consumer.next(), if session.next.is_none() && self.deliveries.is_some() => {
                    session.receive(delivery)?;
                    if self.one_at_a_time && session.next.as_ref().is_some_and(|it| !it.redelivered) {
                        return Ok(Ended::CaughtUp);
                    }
                }
                room = reserve(self.deliveries.clone()), if session.next.is_some() => {
                    match room {
                        Some(room) => session.pass_on(room)?,
                        // The lanes have ended, perhaps before this task has heard of the stop.
                        None => self.take_no_more(session).await?,
                    }
                }
                () = self.stop.cancelled(), if self.deliveries.is_some() => {
                    self.take_no_more(session).await?;
                }
            }
        }
    }

    /// Ends the deliveries; settlements still come.
    async fn take_no_more(&mut self, session: &mut Session) -> Result<(), RabbitError> {
        self.deliveries = None;
        session.next = None;
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
        // Deliveries settled behind a lane that is stuck fill the prefetch: make some room.
        if self.deliveries.is_some() && session.acks.waiting() > usize::from(self.prefetch) / 4 * 3
        {
            session.ack_waiting(MOST_SINGLE_ACKS).await?;
        }
        Ok(())
    }
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
    /// Takes a delivery from the stream; its end means that the broker cancelled the consumer (the
    /// queue was deleted, its node went down, an acknowledgement took too long).
    fn receive(&mut self, delivery: Option<lapin::Result<Incoming>>) -> Result<(), RabbitError> {
        let delivery = match delivery {
            Some(Ok(delivery)) => delivery,
            None => {
                return Err(RabbitError::Unavailable(
                    "the broker cancelled the consumer".to_owned(),
                ));
            }
            Some(Err(error)) => return Err(trouble(&error)),
        };
        self.acks.open(delivery.delivery_tag);
        self.next = Some(Delivery {
            tag: Tag { channel: self.number, number: delivery.delivery_tag },
            redelivered: delivery.redelivered,
            exchange: delivery.exchange.as_str().to_owned(),
            routing_key: delivery.routing_key.as_str().to_owned(),
            properties: properties::from_lapin(&delivery.properties),
            body: delivery.data,
        });
        Ok(())
    }

    /// Passes on the delivery in hand, and those that are already here as long as there is room.
    fn pass_on(&mut self, room: mpsc::OwnedPermit<Delivery>) -> Result<(), RabbitError> {
        if let Some(delivery) = self.next.take() {
            room.send(delivery);
        }
        match self.consumer.next().now_or_never() {
            Some(delivery) => self.receive(delivery),
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
        match self.acks.take_run() {
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
        let cancelled =
            self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        within(ANSWER_TIMEOUT, cancelled).await
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
