//! The publisher of a lane's events.

use order_worker::messages::{OutboxMessage, OutboxMessageKind, PublishStatus};
use order_worker::service_layer::{EventPublisher, Health, PublishBatch, PublishResult};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{FakeBroker, outgoing};

const RECEIVED: &str = "order.status.received";
const CANCELLED: &str = "order.status.cancelled";

#[tokio::test(start_paused = true)]
async fn a_refused_event_is_left_to_the_relay_and_delays_no_other() {
    for status in [PublishStatus::Refused, PublishStatus::Unconfirmed] {
        let broker = FakeBroker::default();
        broker.set_status(RECEIVED, status);

        let results =
            publish(&broker, [vec![event(RECEIVED, "a")], vec![event(CANCELLED, "b")]]).await;

        let counts = |of: fn(&PublishResult) -> usize| results.iter().map(of).sum::<usize>();
        assert_eq!((counts(|it| it.kept.len()), counts(|it| it.confirmed.len())), (1, 1));
        assert_eq!(broker.windows(), [["a", "b"]]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_is_published_again_only_after_a_connection_failure() {
    let broker = FakeBroker::default();
    broker.fail_next(2);

    let results = publish(&broker, [vec![event(RECEIVED, "a")]]).await;

    assert_eq!(broker.windows(), [["a"], ["a"], ["a"]]);
    assert_eq!(results[0].confirmed.len(), 1);
}

fn event(routing_key: &str, body: &str) -> OutboxMessage {
    outgoing(OutboxMessageKind::StatusChanged, routing_key, body)
}

async fn publish<const N: usize>(
    broker: &FakeBroker,
    batches: [Vec<OutboxMessage>; N],
) -> Vec<PublishResult> {
    let (batches_in, waiting) = mpsc::channel(N);
    let (results_in, mut results) = mpsc::unbounded_channel();
    for events in batches {
        let batch = PublishBatch { events, committed_at: Instant::now(), reservation: None };
        batches_in.send(batch).await.unwrap();
    }
    drop(batches_in);
    let publisher = EventPublisher {
        publisher: Box::new(broker.clone()),
        health: Health::default(),
        batches: waiting,
        results: results_in,
        keep_unroutable_events: false,
    };
    publisher.run().await;
    let mut all = Vec::new();
    while let Some(result) = results.recv().await {
        all.push(result);
    }
    all
}
