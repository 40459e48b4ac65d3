//! The loop from the source to the lanes.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::decoded_delivery::{decoded, lane_of, misrouted};
use super::queue_outcomes::QueueOutcomes;
use super::republish;
use crate::domain::OrderId;
use crate::entrypoints::deviations;
use crate::entrypoints::lane::{Incoming, Lane, Parked};
use crate::metrics::{Metrics, Source};
use crate::service_layer::{
    ByteBudget, Clock, CommandSource, CopyPublisher, Delivery, EventPublisher, Health, InFlight,
    MAX_WAITING_BATCHES, MessageBus, Publisher, ReplyPublisher, Republisher, Reroute, Rerouter,
    Store,
};

/// How the consumer works.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// Maximum messages in a batch, at least 1.
    pub batch_max: usize,
    /// Attempts at a message that names an order which does not exist, at least 1.
    pub max_attempts: u32,
    /// Whether an event without subscribers stays in the outbox.
    pub keep_unroutable_events: bool,
    /// Limits the replies in memory, and so their number.
    pub reply_bytes: ByteBudget,
}

/// A lane ended unexpectedly, because of a bug.
#[derive(Debug, thiserror::Error)]
#[error("a lane died, its messages stay with the broker: {0}")]
pub struct LaneDied(String);

/// How many windows of a lane are published at the same time, each with the events of its own orders:
/// while one waits for its confirms, the broker works on another.
pub const EVENT_PUBLISHERS: usize = 2;

/// The ports of one lane.
#[derive(Debug)]
pub struct LanePorts {
    pub store: Box<dyn Store>,
    /// [`EVENT_PUBLISHERS`], at least one.
    pub event_publishers: Vec<Box<dyn Publisher>>,
}

/// What the consumer stands on.
#[derive(Debug)]
pub struct ConsumerDeps {
    pub source: CommandSource,
    pub lanes: Vec<LanePorts>,
    /// For the copies of messages that are not done with.
    pub republisher: Box<dyn Publisher>,
    /// For the replies of all lanes.
    pub reply_publisher: Box<dyn Publisher>,
    /// For commands without the header that names their order. None where there is one partition.
    pub reroute_publisher: Option<Box<dyn Publisher>>,
    pub clock: Arc<dyn Clock>,
    pub health: Health,
    pub in_flight: InFlight,
}

/// Consumes until the source ends, and everything that it handed out is settled and published. The
/// caller bounds that time by dropping the future, which loses nothing.
///
/// # Errors
/// When a lane died.
pub async fn run(deps: ConsumerDeps, settings: ConsumerSettings) -> Result<(), LaneDied> {
    let ConsumerDeps {
        source,
        lanes,
        republisher,
        reply_publisher,
        reroute_publisher,
        clock,
        health,
        in_flight,
    } = deps;
    let CommandSource { deliveries, settlements, channel_epoch } = source;
    let metrics = health.metrics();
    let mut tasks = JoinSet::new();
    let (results_in, results): (Vec<_>, Vec<_>) =
        lanes.iter().map(|_| mpsc::unbounded_channel()).unzip();
    let (replies, reply_publisher) = ReplyPublisher::new(
        reply_publisher,
        health.clone(),
        results_in.clone(),
        settings.reply_bytes.clone(),
    );
    tasks.spawn(reply_publisher.run());
    let (copies_in, copies) = mpsc::unbounded_channel();
    let copy_publisher = |publisher| CopyPublisher {
        publisher,
        health: health.clone(),
        settlements: settlements.clone(),
        channel_epoch: channel_epoch.clone(),
    };
    let publisher = copy_publisher(republisher);
    let republisher = Republisher { publisher, replies: replies.clone(), copies };
    tasks.spawn(republisher.run());
    let reroutes = reroute_publisher.map(|publisher| {
        let (reroutes_in, commands) = mpsc::unbounded_channel();
        let rerouter = Rerouter { publisher: copy_publisher(publisher), commands };
        tasks.spawn(rerouter.run());
        reroutes_in
    });
    let mut queues = Vec::with_capacity(lanes.len());
    // Together the queues hold what a source can have out.
    let queue_size = deliveries.max_capacity();
    // All lanes together park at most half of it: there are always others to go on with.
    let max_parked = queue_size / (2 * lanes.len().max(1));
    let lanes = lanes.into_iter().zip(results_in).zip(results).enumerate();
    for (number, ((ports, results_in), results)) in lanes {
        let (queue_in, queue) = mpsc::channel(queue_size);
        let mut event_publishers = Vec::with_capacity(ports.event_publishers.len());
        for publisher in ports.event_publishers {
            let (batches_in, batches) = mpsc::channel(MAX_WAITING_BATCHES);
            let event_publisher = EventPublisher {
                publisher,
                health: health.clone(),
                batches,
                results: results_in.clone(),
                keep_unroutable_events: settings.keep_unroutable_events,
            };
            event_publishers.push(batches_in);
            tasks.spawn(event_publisher.run());
        }
        let sink = QueueOutcomes {
            lane: number,
            clock: clock.clone(),
            metrics: metrics.clone(),
            max_attempts: settings.max_attempts,
            channel_epoch: channel_epoch.clone(),
            settlements: settlements.clone(),
            event_publishers,
            copies: copies_in.clone(),
            replies: replies.clone(),
            in_flight: in_flight.clone(),
        };
        let lane = Lane {
            number,
            bus: MessageBus::new(ports.store, clock.clone(), health.clone(), in_flight.clone()),
            metrics: metrics.clone(),
            batch_max: settings.batch_max,
            queue,
            parked: Parked::new(max_parked, metrics.clone(), Source::Queue),
            sink,
            results,
            // What is parked waits for the end: later commands of its order must not overtake it.
            stop_parking: CancellationToken::new(),
        };
        queues.push(queue_in);
        tasks.spawn(lane.run());
    }
    drop((settlements, copies_in, replies));
    // A task like the lanes: what it hands on within the runtime's threads wakes no other thread.
    tasks.spawn(distribute(deliveries, queues, reroutes, metrics.clone()));
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| LaneDied(error.to_string()))?;
    }
    Ok(())
}

fn reroute(delivery: Delivery, order_id: OrderId) -> Reroute {
    let Delivery { tag, envelope, reservation, .. } = delivery;
    let copy = republish::rerouted(envelope, &order_id);
    Reroute { copy, tag, reservation, details: order_id }
}

/// Passes deliveries to their lanes until the source ends.
async fn distribute(
    mut deliveries: mpsc::Receiver<Delivery>,
    lanes: Vec<mpsc::Sender<Incoming<Delivery>>>,
    reroutes: Option<mpsc::UnboundedSender<Reroute>>,
    metrics: Metrics,
) {
    while let Some(delivery) = deliveries.recv().await {
        let incoming = decoded(delivery, &metrics);
        if let Some(reroutes) = &reroutes
            && let Some(order_id) = misrouted(&incoming)
        {
            // It ends only with the worker.
            let _ = reroutes.send(reroute(incoming.origin, order_id));
            continue;
        }
        let lane = lane_of(&incoming, lanes.len());
        if lanes[lane].send(incoming).await.is_err() {
            // The lane died.
            break;
        }
    }
    deviations::log_totals(&metrics);
}
