//! The consumer of the simulated broker, on channels that are lost and replaced.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
const NOTICE_DELAY: Duration = Duration::from_secs(3);

/// Consumes from the broker as a worker's source does, until stopped.
///
/// A stop does not cancel the consumers: the next worker must not get messages before those that this
/// one holds are settled. It closes the channel when they are.
pub struct Source {
    pub broker: Broker,
    pub consumer: u32,
    /// By partition.
    pub priorities: Vec<usize>,
    /// Whether it lost its channel and has not noticed.
    pub is_unaware: Arc<AtomicBool>,
    pub chance: Chance,
    pub ledger: Ledger,
    pub prefetch: usize,
    pub stop: CancellationToken,
    /// A [mutant](super::mutants::Mutant): whether a stop cancels the consumers.
    pub cancels_when_stopping: bool,
}

struct Session {
    source: Source,
    channel_epoch: ChannelEpoch,
    /// `None` once it has stopped: what comes then is discarded.
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
    /// Everything is settled that the pipeline got, or the pipeline has dropped its end.
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
    /// Returns how many deliveries of the pipeline it handed back in the end.
    async fn run(mut self) -> usize {
        let mut handed_back = 0;
        while !self.source.stop.is_cancelled() {
            match self.run_channel().await {
                Ended::Broken => sleep(self.source.chance.wait(RECONNECT)).await,
                Ended::Settled => {
                    self.acks_arrive();
                    handed_back = self.held().count();
                    self.source.broker.lose_channel(self.source.consumer);
                    break;
                }
            }
        }
        self.deliveries = None;
        // What is settled now, the broker has requeued.
        while let Some(settled) = self.settlements.recv().await {
            self.settle(&settled);
        }
        handed_back
    }

    async fn run_channel(&mut self) -> Ended {
        self.tag = DeliveryTag { channel: self.channel_epoch.next(), number: 0 };
        self.source.broker.consume(self.source.consumer, &self.source.priorities);
        let lives =
            [Fault::ChannelLost, Fault::ConsumerCancelled].map(|fault| self.lifetime(fault));
        let end = Instant::now() + lives.into_iter().flatten().min().unwrap_or(FOR_EVER);
        loop {
            let is_stopped = self.deliveries.is_none();
            if is_stopped && self.held().next().is_none() {
                return Ended::Settled;
            }
            let may_deliver = self.source.has_work();
            tokio::select! {
                biased;
                settled = self.settlements.recv() => match settled {
                    Some(settled) => self.settle(&settled),
                    None => return Ended::Settled,
                },
                () = self.source.stop.cancelled(), if !is_stopped => self.stop_consuming(),
                () = sleep_until(end) => {
                    self.lose_channel().await;
                    return Ended::Broken;
                }
                () = arrival(self.acks_arrive) => self.acks_arrive(),
                room = room_for_one(self.deliveries.clone()), if may_deliver && !is_stopped => {
                    match room {
                        Some(room) => self.deliver(room),
                        None => self.deliveries = None,
                    }
                }
                () = ready(()), if may_deliver && is_stopped => drop(self.receive()),
                () = self.source.broker.changed(), if !may_deliver => {}
            }
        }
    }

    fn stop_consuming(&mut self) {
        self.deliveries = None;
        if self.source.cancels_when_stopping {
            self.source.broker.cancel(self.source.consumer);
        }
    }

    /// What the pipeline got on this channel and has not settled.
    fn held(&self) -> impl Iterator<Item = &String> {
        self.unsettled.range((self.tag.channel, 0)..).map(|(_, label)| label)
    }

    /// How long the channel lives, if this fault ends it.
    fn lifetime(&self, fault: Fault) -> Option<Duration> {
        self.source.chance.fires(fault).then(|| self.source.chance.wait(MAX_LIFE))
    }

    fn deliver(&mut self, room: mpsc::OwnedPermit<Delivery>) {
        let Some(delivery) = self.receive() else { return };
        let label = delivery.envelope.properties.correlation_id.clone().unwrap_or_default();
        let DeliveryTag { channel, number } = delivery.tag;
        let consumer = self.source.consumer;
        self.source.chance.log(&format!("delivers {label} to {consumer} as {channel}/{number}"));
        self.unsettled.insert((channel, number), label);
        room.send(delivery);
    }

    fn receive(&mut self) -> Option<Delivery> {
        let Source { broker, consumer, prefetch, .. } = &self.source;
        let tag = DeliveryTag { number: self.tag.number + 1, ..self.tag };
        let delivery = broker.deliver(*consumer, *prefetch, tag)?;
        self.tag = tag;
        Some(delivery)
    }

    /// A stale tag has no effect at the broker, but it is checked like any other.
    fn settle(&mut self, settlements: &[Settlement]) {
        for Settlement::Ack(tag) in settlements {
            let Some(label) = self.unsettled.remove(&(tag.channel, tag.number)) else {
                self.source.ledger.violated(format!("{tag:?} was settled twice"));
                continue;
            };
            let consumer = self.source.consumer;
            self.source
                .chance
                .log(&format!("settled: {label} by {consumer} as {}/{}", tag.channel, tag.number));
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
        self.source.broker.ack(self.source.consumer, self.acks.drain(..));
    }

    /// The broker requeues what is not acknowledged. The worker may notice later, and go on until then.
    async fn lose_channel(&mut self) {
        self.acks_arrive = None;
        if !self.acks.is_empty() {
            self.acks.clear();
            self.source.chance.happened(Fault::AcksLost);
        }
        self.source.broker.lose_channel(self.source.consumer);
        self.source.is_unaware.store(true, Ordering::Relaxed);
        self.source.chance.delay_on(Fault::LossNoticedLate, NOTICE_DELAY).await;
        self.source.is_unaware.store(false, Ordering::Relaxed);
        self.tag.channel = self.channel_epoch.next();
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
