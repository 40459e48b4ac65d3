//! A message in a queue of the simulated broker.

use order_worker::messages::{Envelope, Properties};

/// A command in a partition or on its way back to one.
#[derive(Debug, Clone)]
pub struct Queued {
    pub exchange: String,
    pub routing_key: String,
    pub properties: Properties,
    pub body: Vec<u8>,
    pub was_delivered: bool,
    pub failed_deliveries: u32,
}

/// A message among the dead letters.
#[derive(Debug, Clone)]
pub struct DeadLettered {
    pub properties: Properties,
    pub body: Vec<u8>,
    /// By the broker's delivery limit; otherwise by the worker, with a reason.
    pub by_broker: bool,
}

impl Queued {
    pub fn new(exchange: &str, routing_key: &str, properties: Properties, body: Vec<u8>) -> Self {
        let (exchange, routing_key) = (exchange.to_owned(), routing_key.to_owned());
        Self { exchange, routing_key, properties, body, was_delivered: false, failed_deliveries: 0 }
    }

    /// The message for a consumer, with the header in which a quorum queue counts.
    pub fn envelope(&self) -> Envelope {
        let mut properties = self.properties.clone();
        if self.failed_deliveries > 0 {
            let count = i64::from(self.failed_deliveries);
            properties.headers.insert("x-delivery-count".to_owned(), count.into());
        }
        Envelope {
            exchange: self.exchange.clone(),
            routing_key: self.routing_key.clone(),
            properties,
            body: self.body.clone(),
            ..Envelope::default()
        }
    }
}
