//! The loop from the source to the lanes.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::lane::{ConsumerSettings, Lane};
use super::report::Report;
use super::tolerance;
use super::work::Work;
use crate::entrypoints::parked::Parked;
use crate::metrics::{Metrics, Source};
use crate::service_layer::{
    Clock, CommandSource, Delivery, Forwarding, Health, InFlight, MOST_WINDOWS, MessageBus,
    Outbound, Publisher, Store,
};

/// Most batches whose forwards wait to be published.
const MOST_FORWARDS: usize = 4;

/// A lane ended although nobody told it to; it has a bug.
#[derive(Debug, thiserror::Error)]
#[error("a lane died, its messages stay with the broker: {0}")]
pub struct LaneDied(String);

/// How many windows of a lane are published at the same time, each with those of its own orders: while
/// one waits for its confirms, the broker works on another.
pub const WAYS_OUT: usize = 2;

/// What the consumer stands on.
#[derive(Debug)]
pub struct Ground<S, P> {
    pub source: CommandSource,
    /// For each lane a store, and a publisher for each of its ways out: [`WAYS_OUT`], at least one.
    pub lanes: Vec<(S, Vec<P>)>,
    /// For the copies of messages that are not done with.
    pub forwarder: P,
    pub clock: Arc<dyn Clock>,
    pub health: Health,
    pub in_flight: InFlight,
}

/// Consumes until the source ends, and everything that it handed out is settled and published. The
/// caller bounds that time by dropping the future, which loses nothing.
///
/// # Errors
/// When a lane died.
pub async fn run<S, P>(
    ground: Ground<S, P>,
    settings: ConsumerSettings,
    reports: Option<mpsc::UnboundedSender<Report>>,
) -> Result<(), LaneDied>
where
    S: Store + 'static,
    P: Publisher + 'static,
{
    let Ground { source, lanes, forwarder, clock, health, in_flight } = ground;
    let CommandSource { deliveries, settlements, present_channel } = source;
    let metrics = health.metrics();
    let mut tasks = JoinSet::new();
    let (forwards_in, forwards) = mpsc::channel(MOST_FORWARDS);
    let forwarding = Forwarding {
        publisher: forwarder,
        health: health.clone(),
        settlements: settlements.clone(),
        forwards,
    };
    tasks.spawn(forwarding.run());
    let mut queues = Vec::with_capacity(lanes.len());
    // Together the queues hold what a source can have out.
    let queue_size = deliveries.max_capacity();
    // All lanes together park at most half of it: there are always others to go on with.
    let most_parked = queue_size / (2 * lanes.len().max(1));
    for (number, (store, publishers)) in lanes.into_iter().enumerate() {
        let (queue_in, queue) = mpsc::channel(queue_size);
        let (published_in, published) = mpsc::unbounded_channel();
        let mut ways_out = Vec::with_capacity(publishers.len());
        for publisher in publishers {
            let (windows_in, windows) = mpsc::channel(MOST_WINDOWS);
            let outbound = Outbound {
                publisher,
                health: health.clone(),
                windows,
                published: published_in.clone(),
                keep_unroutable_events: settings.keep_unroutable_events,
            };
            ways_out.push(windows_in);
            tasks.spawn(outbound.run());
        }
        let lane = Lane {
            number,
            metrics: metrics.clone(),
            bus: MessageBus::new(store, clock.clone(), health.clone(), in_flight.clone()),
            clock: clock.clone(),
            settings: settings.clone(),
            queue,
            parked: Parked::new(most_parked, metrics.clone(), Source::Queue),
            present_channel: present_channel.clone(),
            settlements: settlements.clone(),
            ways_out,
            forwards: forwards_in.clone(),
            published,
            reports: reports.clone(),
        };
        queues.push(queue_in);
        tasks.spawn(lane.run());
    }
    drop((settlements, forwards_in, reports));
    // A task like the lanes: what it hands on within the runtime's threads wakes no other thread.
    tasks.spawn(distribute(deliveries, queues, metrics.clone()));
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| LaneDied(error.to_string()))?;
    }
    Ok(())
}

/// Looks at what comes and hands it to its lane, until nothing more comes.
async fn distribute(
    mut deliveries: mpsc::Receiver<Delivery>,
    lanes: Vec<mpsc::Sender<Work>>,
    metrics: Metrics,
) {
    while let Some(delivery) = deliveries.recv().await {
        metrics.messages.received(Source::Queue, delivery.redelivered);
        let work = Work::on(delivery);
        tolerance::count(work.decoded.notes, &work.delivery.properties, &metrics);
        let lane = work.lane(lanes.len());
        if lanes[lane].send(work).await.is_err() {
            // The lane died.
            break;
        }
    }
    tolerance::sum_up(&metrics);
}
