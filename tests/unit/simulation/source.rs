//! The consuming side of the simulated broker: channels that come and go.

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
    /// None once no more deliveries are to come.
    deliveries: Option<mpsc::Sender<Delivery>>,
    settlements: mpsc::UnboundedReceiver<Vec<Settlement>>,
    tag: DeliveryTag,
    /// The labels of all that is not settled, by channel and number.
    unsettled: BTreeMap<(u32, u64), String>,
    /// Acknowledgements on their way to the broker.
    acks: Vec<u64>,
    acks_arrive: Option<Instant>,
}

enum Ended {
    Broken,
    /// Nobody is left who could settle anything.
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
    /// Answers how many deliveries it handed back in the end.
    async fn run(mut self) -> usize {
        while let Ended::Broken = self.live_through_a_channel().await {
            sleep(self.source.chance.wait(RECONNECT)).await;
        }
        self.acks_arrive();
        self.source.broker.hand_back(self.source.consumer)
    }

    async fn live_through_a_channel(&mut self) -> Ended {
        self.tag = DeliveryTag { channel: self.channel_epoch.next(), number: 0 };
        let lives = [Fault::ChannelLost, Fault::ConsumerCancelled].map(|fault| self.life(fault));
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
                    self.break_down();
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

    /// How long a channel lives, should it end by this fault.
    fn life(&self, fault: Fault) -> Option<Duration> {
        self.source.chance.fires(fault).then(|| self.source.chance.wait(MAX_LIFE))
    }

    fn deliver(&mut self, room: mpsc::OwnedPermit<Delivery>) {
        if let Some(delivery) = self.next_delivery() {
            room.send(delivery);
        }
    }

    fn next_delivery(&mut self) -> Option<Delivery> {
        let tag = DeliveryTag { number: self.tag.number + 1, ..self.tag };
        let delivery = self.source.broker.hand_out(self.source.consumer, tag)?;
        self.tag = tag;
        let label = delivery.properties.correlation_id.clone().unwrap_or_default();
        let DeliveryTag { channel, number } = tag;
        self.source.chance.note(&format!("hands out {label} as {channel}/{number}"));
        self.unsettled.insert((channel, number), label);
        Some(delivery)
    }

    /// Stale tags have no effect, but whoever settles makes a promise all the same.
    fn settle(&mut self, settlements: &[Settlement]) {
        for Settlement::Ack(tag) in settlements {
            let Some(label) = self.unsettled.remove(&(tag.channel, tag.number)) else {
                self.source.ledger.violated(format!("{tag:?} was settled twice"));
                continue;
            };
            self.source.chance.note(&format!("settled: {label} as {}/{}", tag.channel, tag.number));
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
            self.source.broker.forget(self.source.consumer, number);
        }
    }

    /// What is not acknowledged at the broker is ready there again.
    fn break_down(&mut self) {
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
