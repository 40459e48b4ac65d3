//! Publishing to a broker that does not confirm everything.

mod copies;
mod events;
mod replies;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use order_worker::domain::OrderId;
use order_worker::messages::{
    OutboxKey, OutboxMessage, OutboxMessageKind, Properties, Publication, PublishStatus, Target,
};
use order_worker::service_layer::{PublishError, Publisher};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// The confirm timeout of a reply in the RabbitMQ adapter.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// A broker that confirms everything for which no other status is set; clones share it.
#[derive(Debug, Clone, Default)]
pub struct FakeBroker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By routing key or queue.
    statuses: HashMap<String, PublishStatus>,
    outages: usize,
    windows: Vec<Vec<String>>,
}

impl FakeBroker {
    /// Sets the status of messages for a routing key or a queue.
    pub fn set_status(&self, target: &str, status: PublishStatus) {
        self.0.lock().unwrap().statuses.insert(target.to_owned(), status);
    }

    /// The connection breaks during the next `windows` publishes.
    pub fn fail_next(&self, windows: usize) {
        self.0.lock().unwrap().outages = windows;
    }

    /// The bodies of each window so far.
    pub fn windows(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().windows.clone()
    }

    /// How often a body was published.
    pub fn attempts(&self, body: &str) -> usize {
        self.windows().iter().flatten().filter(|published| *published == body).count()
    }
}

#[async_trait]
impl Publisher for FakeBroker {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        let statuses: Vec<PublishStatus> = {
            let mut state = self.0.lock().unwrap();
            let body = |it: &Publication| String::from_utf8(it.body.clone()).unwrap();
            state.windows.push(window.iter().map(body).collect());
            if state.outages > 0 {
                state.outages -= 1;
                return Err(PublishError("the connection broke".to_owned()));
            }
            let status = |it: &Publication| state.statuses.get(&*it.target.name()).copied();
            window.iter().map(|it| status(it).unwrap_or(PublishStatus::Confirmed)).collect()
        };
        if statuses.contains(&PublishStatus::Unconfirmed) {
            sleep(CONFIRM_TIMEOUT).await;
        }
        Ok(statuses)
    }
}

/// An outbox message.
fn outgoing(kind: OutboxMessageKind, routing_key: &str, body: &str) -> OutboxMessage {
    let key =
        OutboxKey { order_id: OrderId::new("14").unwrap(), version: 1, event_id: Uuid::now_v7() };
    let (routing_key, body) = (routing_key.to_owned(), body.to_owned());
    OutboxMessage { key, kind, routing_key, correlation_id: None, traceparent: None, body }
}

fn to(target: Target, body: &str) -> Publication {
    Publication { target, properties: Properties::default(), body: body.as_bytes().to_vec() }
}

fn seconds_since(began: Instant) -> u64 {
    began.elapsed().as_secs()
}
