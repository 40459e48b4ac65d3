//! The consumer: decodes deliveries and distributes them to the lanes.

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

/// The settings of the consumer.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// Maximum messages in a batch, at least 1.
    pub batch_max: usize,
    /// Maximum attempts at a command for an order that does not exist, at least 1.
    pub max_attempts: u32,
    /// Keep events without subscribers in the outbox.
    pub keep_unroutable_events: bool,
    /// Limits the replies in memory.
    pub reply_bytes: ByteBudget,
}

/// A lane ended unexpectedly, because of a bug.
#[derive(Debug, thiserror::Error)]
#[error("a lane died; its messages stay in the queue: {0}")]
pub struct LaneDied(String);

/// Publishers per lane, each for a share of the orders: while one waits for confirms, the broker can
/// process the messages of another.
pub const EVENT_PUBLISHERS: usize = 2;

/// The ports of one lane.
#[derive(Debug)]
pub struct LanePorts {
    pub store: Box<dyn Store>,
    /// [`EVENT_PUBLISHERS`], at least one.
    pub event_publishers: Vec<Box<dyn Publisher>>,
}

/// The dependencies of the consumer.
#[derive(Debug)]
pub struct ConsumerDeps {
    pub source: CommandSource,
    pub lanes: Vec<LanePorts>,
    /// For copies to the retry queues and the dead letters.
    pub republisher: Box<dyn Publisher>,
    /// For the replies of all lanes.
    pub reply_publisher: Box<dyn Publisher>,
    /// For commands with a missing or wrong order-id header. `None` with a single partition.
    pub reroute_publisher: Option<Box<dyn Publisher>>,
    pub clock: Arc<dyn Clock>,
    pub health: Health,
    pub in_flight: InFlight,
}

/// Runs until the source has ended and all its deliveries are settled and published. The caller can
/// limit that time by dropping the future, which loses nothing.
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
    // The queues can hold all deliveries that the source can have unsettled.
    let queue_size = deliveries.max_capacity();
    // All lanes together park at most half of that, so that there are always others to process.
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
            // Parked commands stay parked on shutdown, so that later ones of their order do not
            // overtake them.
            stop_parking: CancellationToken::new(),
        };
        queues.push(queue_in);
        tasks.spawn(lane.run());
    }
    drop((settlements, copies_in, replies));
    // A task like the lanes, so that passing messages does not wake the thread of the caller.
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

/// Passes deliveries to the lanes until the source ends.
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
            // Fails only when the worker is ending.
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
