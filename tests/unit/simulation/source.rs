//! The consumer of the simulated broker, on channels that are lost and replaced.

use std::collections::BTreeMap;
use std::time::Duration;

use order_worker::service_layer::{ChannelEpoch, CommandSource, Delivery, DeliveryTag, Settlement};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::broker::Broker;
use super::chance::Chance;
use super::fault::Fault;
use super::ledger::Ledger;

const MAX_LIFE: Duration = Duration::from_secs(4);
const FOR_EVER: Duration = Duration::from_hours(1000);
const ACK_DELAY: Duration = Duration::from_secs(1);
const RECONNECT: Duration = Duration::from_secs(1);

/// Consumes from the broker as a worker's source does, until stopped.
pub struct Source {
    pub broker: Broker,
    pub consumer: u32,
    pub chance: Chance,
    pub ledger: Ledger,
    pub prefetch: usize,
    pub stop: CancellationToken,
}

struct Session {
    source: Source,
    channel_epoch: ChannelEpoch,
    /// `None` once it has stopped consuming.
    deliveries: Option<mpsc::Sender<Delivery>>,
    settlements: mpsc::UnboundedReceiver<Vec<Settlement>>,
    tag: DeliveryTag,
    /// The labels of unsettled deliveries, by channel and number.
    unsettled: BTreeMap<(u32, u64), String>,
    /// Acknowledgements in flight to the broker.
    acks: Vec<u64>,
    acks_arrive: Option<Instant>,
}

enum Ended {
    Broken,
    /// The pipeline has dropped its end: everything is settled.
    Settled,
}

impl Source {
    pub fn consume(self) -> (CommandSource, JoinHandle<usize>) {
        let (deliveries_in, deliveries) = mpsc::channel(self.prefetch);
        let (settlements, settlements_out) = mpsc::unbounded_channel();
        let channel_epoch = ChannelEpoch::default();
        let session = Session {
            source: self,
            channel_epoch: channel_epoch.clone(),
            deliveries: Some(deliveries_in),
            settlements: settlements_out,
            tag: DeliveryTag { channel: 0, number: 0 },
            unsettled: BTreeMap::new(),
            acks: Vec::new(),
            acks_arrive: None,
        };
        let task = tokio::spawn(session.run());
        (CommandSource { deliveries, settlements, channel_epoch }, task)
    }
}

impl Source {
    fn has_work(&self) -> bool {
        self.broker.has_work_for(self.consumer, self.prefetch)
    }
}

impl Session {
    /// Returns how many deliveries it handed back in the end.
    async fn run(mut self) -> usize {
        while let Ended::Broken = self.run_channel().await {
            sleep(self.source.chance.wait(RECONNECT)).await;
        }
        self.acks_arrive();
        self.source.broker.nack_all(self.source.consumer)
    }

    async fn run_channel(&mut self) -> Ended {
        self.tag = DeliveryTag { channel: self.channel_epoch.next(), number: 0 };
        let lives =
            [Fault::ChannelLost, Fault::ConsumerCancelled].map(|fault| self.lifetime(fault));
        let end = Instant::now() + lives.into_iter().flatten().min().unwrap_or(FOR_EVER);
        loop {
            let may_deliver = self.deliveries.is_some() && self.source.has_work();
            tokio::select! {
                biased;
                settled = self.settlements.recv() => match settled {
                    Some(settled) => self.settle(&settled),
                    None => return Ended::Settled,
                },
                () = self.source.stop.cancelled(), if self.deliveries.is_some() => {
                    self.deliveries = None;
                }
                () = sleep_until(end) => {
                    self.lose_channel();
                    return Ended::Broken;
                }
                () = arrival(self.acks_arrive) => self.acks_arrive(),
                room = room_for_one(self.deliveries.clone()), if may_deliver => match room {
                    Some(room) => self.deliver(room),
                    None => self.deliveries = None,
                },
                () = self.source.broker.changed(), if !may_deliver => {}
            }
        }
    }

    /// How long the channel lives, if this fault ends it.
    fn lifetime(&self, fault: Fault) -> Option<Duration> {
        self.source.chance.fires(fault).then(|| self.source.chance.wait(MAX_LIFE))
    }

    fn deliver(&mut self, room: mpsc::OwnedPermit<Delivery>) {
        if let Some(delivery) = self.next_delivery() {
            room.send(delivery);
        }
    }

    fn next_delivery(&mut self) -> Option<Delivery> {
        let tag = DeliveryTag { number: self.tag.number + 1, ..self.tag };
        let delivery = self.source.broker.deliver(self.source.consumer, tag)?;
        self.tag = tag;
        let label = delivery.envelope.properties.correlation_id.clone().unwrap_or_default();
        let DeliveryTag { channel, number } = tag;
        self.source.chance.log(&format!("delivers {label} as {channel}/{number}"));
        self.unsettled.insert((channel, number), label);
        Some(delivery)
    }

    /// A stale tag has no effect at the broker, but it is checked like any other.
    fn settle(&mut self, settlements: &[Settlement]) {
        for Settlement::Ack(tag) in settlements {
            let Some(label) = self.unsettled.remove(&(tag.channel, tag.number)) else {
                self.source.ledger.violated(format!("{tag:?} was settled twice"));
                continue;
            };
            self.source.chance.log(&format!("settled: {label} as {}/{}", tag.channel, tag.number));
            self.source.ledger.settles(&label);
            if tag.channel == self.tag.channel {
                self.acks.push(tag.number);
            }
        }
        if self.acks_arrive.is_none() {
            if self.source.chance.fires(Fault::AcksLate) {
                self.acks_arrive = Some(Instant::now() + self.source.chance.wait(ACK_DELAY));
            } else {
                self.acks_arrive();
            }
        }
    }

    fn acks_arrive(&mut self) {
        self.acks_arrive = None;
        for number in self.acks.drain(..) {
            self.source.broker.ack(self.source.consumer, number);
        }
    }

    /// The broker requeues what is not acknowledged.
    fn lose_channel(&mut self) {
        self.acks_arrive = None;
        if !self.acks.is_empty() {
            self.acks.clear();
            self.source.chance.happened(Fault::AcksLost);
        }
        self.tag.channel = self.channel_epoch.next();
        self.source.broker.lose_channel(self.source.consumer);
    }
}

async fn arrival(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn room_for_one(
    deliveries: Option<mpsc::Sender<Delivery>>,
) -> Option<mpsc::OwnedPermit<Delivery>> {
    deliveries?.reserve_owned().await.ok()
}
