//! The relay: which messages it publishes, in which order, and which it leaves to the lanes.

use std::sync::{Arc, Mutex};

use crate::support::in_memory::InMemoryDatabase;
use async_trait::async_trait;
use order_worker::messages::{Message, Publication, PublishStatus};
use order_worker::service_layer::{
    Health, InFlight, MessageBus, PublishError, Publisher, Relay, RelayPass,
};
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::publishing::FakeBroker;
use crate::support::clock::TickingClock;
use crate::support::messages::{With, cancel, id, next_status, place};

#[tokio::test]
async fn the_relay_skips_events_that_a_lane_is_publishing() {
    let database = InMemoryDatabase::new();
    let in_flight = InFlight::default();
    let clock = Arc::new(TickingClock::default());
    let mut bus =
        MessageBus::new(Box::new(database.store()), clock, Health::default(), in_flight.clone());
    let published = RecordingPublisher::default();
    let mut relay = Relay::new(
        Box::new(database.relay()),
        Box::new(published.clone()),
        Health::default(),
        in_flight,
        false,
    );

    let given_out = bus.handle_batch(&[place("14")]).await.to_publish;
    assert_eq!(relay.publish_waiting(Instant::now()).await.unwrap().published, 0);
    assert_eq!(published.message_ids(), [] as [String; 0]);

    bus.leave_to_relay(&given_out[0].key);
    assert_eq!(relay.publish_waiting(Instant::now()).await.unwrap().published, 1);
    assert_eq!(published.message_ids(), [given_out[0].key.event_id.to_string()]);
}

#[tokio::test]
async fn the_relay_does_not_overtake_earlier_events_of_an_order() {
    let database = InMemoryDatabase::new();
    let in_flight = InFlight::default();
    let clock = Arc::new(TickingClock::default());
    let mut bus =
        MessageBus::new(Box::new(database.store()), clock, Health::default(), in_flight.clone());
    let published = RecordingPublisher::default();
    let mut relay = Relay::new(
        Box::new(database.relay()),
        Box::new(published.clone()),
        Health::default(),
        in_flight,
        false,
    );
    let first = bus.handle_batch(&[place("14")]).await.to_publish;
    let second = bus.handle_batch(&[next_status("14")]).await.to_publish;

    // As after a commit whose response was lost: no lane publishes the second event.
    bus.leave_to_relay(&second[0].key);
    assert_eq!(relay.publish_waiting(Instant::now()).await.unwrap().published, 0);

    bus.record_confirmed([first[0].key.clone()]);
    bus.remove_published().await;
    assert_eq!(relay.publish_waiting(Instant::now()).await.unwrap().published, 1);
    assert_eq!(published.message_ids(), [second[0].key.event_id.to_string()]);
}

#[tokio::test]
async fn versions_of_an_order_are_published_one_by_one() {
    let mut outbox = Outbox::new();
    outbox.fill(&[place("1"), next_status("1"), place("2")]).await;

    let pass = outbox.pass().await;

    assert_eq!(pass, RelayPass { published: 3, left: 0 });
    assert_eq!(outbox.broker.windows().iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn a_refused_routing_key_delays_no_other_orders() {
    let mut outbox = Outbox::new();
    outbox.fill(&[place("1"), next_status("1"), place("2"), cancel("2"), place("3")]).await;
    outbox.broker.set_status("order.status.processing", PublishStatus::Refused);

    let pass = outbox.pass().await;

    assert_eq!(pass, RelayPass { published: 4, left: 1 });
}

#[tokio::test]
async fn a_newer_event_does_not_overtake_a_refused_one() {
    let mut outbox = Outbox::new();
    outbox.fill(&[place("1"), next_status("1"), next_status("1")]).await;
    outbox.broker.set_status("order.status.processing", PublishStatus::Refused);

    outbox.pass().await;
    outbox.pass().await;
    assert_eq!(outbox.versions_sent(), [1, 2, 2]);

    outbox.broker.set_status("order.status.processing", PublishStatus::Confirmed);
    assert_eq!(outbox.pass().await, RelayPass { published: 2, left: 0 });
    assert_eq!(outbox.versions_sent(), [1, 2, 2, 2, 3]);
}

#[tokio::test]
async fn an_unreadable_outbox_row_delays_only_later_events_of_its_order() {
    let mut outbox = Outbox::new();
    outbox.fill(&[place("1"), place("2"), place("3")]).await;
    outbox.database.garble_outbox(&id("2")).await;
    outbox.fill(&[next_status("1"), next_status("2"), next_status("3")]).await;

    let pass = outbox.pass().await;

    assert_eq!(pass, RelayPass { published: 4, left: 0 });
    assert_eq!(outbox.pass().await, RelayPass::default());
}

#[tokio::test]
async fn a_full_subscriber_costs_others_one_copy_per_pass() {
    let mut outbox = Outbox::new();
    let orders: Vec<Message> = (0..100).map(|n| place(&n.to_string())).collect();
    outbox.fill(&orders).await;
    outbox.broker.set_status("order.status.received", PublishStatus::Refused);
    outbox.pass().await;
    assert_eq!(outbox.versions_sent().len(), 100);

    outbox.pass().await;
    outbox.pass().await;

    assert_eq!(outbox.versions_sent().len(), 102);
    outbox.broker.set_status("order.status.received", PublishStatus::Confirmed);
    assert_eq!(outbox.pass().await, RelayPass { published: 100, left: 0 });
    let windows: Vec<usize> = outbox.broker.windows().iter().skip(3).map(Vec::len).collect();
    assert_eq!(windows, [1, 2, 4, 8, 16, 32, 37]);
}

#[tokio::test]
async fn a_reply_left_in_the_outbox_is_attempted_once_and_delays_no_event() {
    let mut outbox = Outbox::new();
    outbox.fill(&[place("1").with_reply_to("full"), next_status("1")]).await;
    outbox.broker.set_status("full", PublishStatus::Refused);

    assert_eq!(outbox.pass().await, RelayPass { published: 3, left: 0 });
    assert_eq!(outbox.pass().await, RelayPass::default());
}

#[tokio::test]
async fn events_left_to_the_relay_are_published_before_its_interval() {
    let outbox = Outbox::new();
    let (broker, in_flight, database) =
        (outbox.broker.clone(), outbox.in_flight.clone(), outbox.database.clone());
    // The in-memory database uses the real clock, so this takes real time.
    let relay = tokio::spawn(outbox.relay.run(Duration::from_secs(30)));
    let clock = Arc::new(TickingClock::default());
    let mut bus = MessageBus::new(Box::new(database.store()), clock, Health::default(), in_flight);
    let event = bus.handle_batch(&[place("1")]).await.to_publish.remove(0);

    bus.leave_to_relay(&event.key);

    let published = async {
        while broker.windows().is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), published).await.expect("published within 10 s");
    relay.abort();
}

/// An outbox and its relay.
struct Outbox {
    database: InMemoryDatabase,
    broker: FakeBroker,
    in_flight: InFlight,
    relay: Relay,
}

impl Outbox {
    fn new() -> Self {
        let (database, broker) = (InMemoryDatabase::new(), FakeBroker::default());
        let (in_flight, health) = (InFlight::default(), Health::default());
        let relay = Relay::new(
            Box::new(database.relay()),
            Box::new(broker.clone()),
            health,
            in_flight.clone(),
            false,
        );
        Self { database, broker, in_flight, relay }
    }

    /// Handles messages without publishing their events.
    async fn fill(&self, messages: &[Message]) {
        let clock = Arc::new(TickingClock::default());
        let store = self.database.store();
        MessageBus::new(Box::new(store), clock, Health::default(), InFlight::default())
            .handle_batch(messages)
            .await;
    }

    async fn pass(&mut self) -> RelayPass {
        self.relay.publish_waiting(Instant::now()).await.unwrap()
    }

    fn versions_sent(&self) -> Vec<u64> {
        let bodies = self.broker.windows().into_iter().flatten();
        let body = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
        bodies.filter_map(|text| body(text)["version"].as_u64()).collect()
    }
}

/// Confirms and records everything.
#[derive(Debug, Clone, Default)]
struct RecordingPublisher(Arc<Mutex<Vec<Publication>>>);

impl RecordingPublisher {
    fn message_ids(&self) -> Vec<String> {
        let published = self.0.lock().unwrap();
        published.iter().filter_map(|message| message.properties.message_id.clone()).collect()
    }
}

#[async_trait]
impl Publisher for RecordingPublisher {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        self.0.lock().unwrap().extend_from_slice(window);
        Ok(vec![PublishStatus::Confirmed; window.len()])
    }
}
