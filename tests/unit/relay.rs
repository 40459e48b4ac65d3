//! What the relay publishes, and what it leaves to others.

use std::sync::{Arc, Mutex};

use order_worker::adapters::in_memory::InMemoryDatabase;
use order_worker::service_layer::{
    Health, InFlight, MessageBus, Publication, PublishError, PublishStatus, Publisher, Relay,
};
use tokio::time::Instant;

use crate::support::clock::TickingClock;
use crate::support::messages::{next_status, place};

#[tokio::test]
async fn the_relay_leaves_alone_what_a_lane_is_publishing() {
    let database = InMemoryDatabase::new();
    let in_flight = InFlight::default();
    let clock = Arc::new(TickingClock::default());
    let mut bus = MessageBus::new(database.store(), clock, Health::default(), in_flight.clone());
    let published = Published::default();
    let mut relay =
        Relay::new(database.relay(), published.clone(), Health::default(), in_flight, false);

    let given_out = bus.handle_batch(&[place("14")]).await.outgoing;
    assert_eq!(relay.publish_waiting(Instant::now()).await.unwrap().published, 0);
    assert_eq!(published.message_ids(), [] as [String; 0]);

    bus.note_unpublished(&given_out[0].key);
    assert_eq!(relay.publish_waiting(Instant::now()).await.unwrap().published, 1);
    assert_eq!(published.message_ids(), [given_out[0].key.event_id.to_string()]);
}

#[tokio::test]
async fn the_relay_overtakes_no_earlier_message_of_an_order() {
    let database = InMemoryDatabase::new();
    let in_flight = InFlight::default();
    let clock = Arc::new(TickingClock::default());
    let mut bus = MessageBus::new(database.store(), clock, Health::default(), in_flight.clone());
    let published = Published::default();
    let mut relay =
        Relay::new(database.relay(), published.clone(), Health::default(), in_flight, false);
    let first = bus.handle_batch(&[place("14")]).await.outgoing;
    let second = bus.handle_batch(&[next_status("14")]).await.outgoing;

    // As after a commit whose answer got lost: nobody is publishing the second.
    bus.note_unpublished(&second[0].key);
    assert_eq!(relay.publish_waiting(Instant::now()).await.unwrap().published, 0);

    bus.note_published([first[0].key.clone()]);
    bus.remove_published().await;
    assert_eq!(relay.publish_waiting(Instant::now()).await.unwrap().published, 1);
    assert_eq!(published.message_ids(), [second[0].key.event_id.to_string()]);
}

/// Confirms everything, and remembers it.
#[derive(Debug, Clone, Default)]
struct Published(Arc<Mutex<Vec<Publication>>>);

impl Published {
    fn message_ids(&self) -> Vec<String> {
        let published = self.0.lock().unwrap();
        published.iter().filter_map(|message| message.properties.message_id.clone()).collect()
    }
}

impl Publisher for Published {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        self.0.lock().unwrap().extend_from_slice(window);
        Ok(vec![PublishStatus::Confirmed; window.len()])
    }
}
