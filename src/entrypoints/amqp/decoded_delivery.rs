//! Decodes a delivery and chooses its lane.

use super::hash_partition::hash_partition;
use super::republish::failed_attempts;
use crate::domain::OrderId;
use crate::entrypoints::deviations;
use crate::entrypoints::lane::Incoming;
use crate::metrics::{Metrics, Source};
use crate::service_layer::{Delivery, decode, has_order_id};

/// Decodes a delivery and counts it.
pub fn decoded(delivery: Delivery, metrics: &Metrics) -> Incoming<Delivery> {
    metrics.commands.received(Source::Queue, delivery.redelivered);
    if failed_attempts(&delivery.envelope.properties) > 0 {
        metrics.commands.retry_returned();
    }
    let decoded = decode::decode(&delivery.envelope);
    deviations::count(decoded.deviations, &delivery.envelope.properties, metrics);
    Incoming {
        message: decoded.result,
        kind: decoded.kind,
        redelivered: delivery.redelivered,
        bytes: delivery.envelope.body.len(),
        origin: delivery,
    }
}

/// The index of the lane: the same for all commands of an order, so that they take effect in queue
/// order. New orders without an order id are assigned by message id, so that duplicates are in the
/// same lane. A message that could not be decoded may go to any lane.
pub fn lane_of(incoming: &Incoming<Delivery>, lanes: usize) -> usize {
    match &incoming.message {
        Ok(message) => match message.command.order_id() {
            Some(order_id) => hash_partition(order_id, lanes),
            None => hash_partition(message.message_id(), lanes),
        },
        Err(_) => hash_partition(incoming.origin.tag.number, lanes),
    }
}

/// The order id of a command whose order-id header is missing or wrong, so that it may be in the
/// wrong partition.
pub fn misrouted(incoming: &Incoming<Delivery>) -> Option<OrderId> {
    let order_id = incoming.order_id()?;
    let properties = &incoming.origin.envelope.properties;
    (!has_order_id(properties, order_id)).then(|| order_id.clone())
}
