//! The rows and events of the commands, prepared before the measurement starts.

use order_worker::adapters::clock::SystemClock;
use order_worker::domain::{Command, Order, StatusChanged};
use order_worker::messages::{Envelope, Message, OrderState, OutboxMessage, Publication};
use order_worker::service_layer::decode;
use order_worker::service_layer::{
    BatchLookup, Changes, Clock, HistoryRow, InboxEntry, InboxOutcome,
};

use super::BATCH;
use crate::Failure;
use crate::workload::Workload;

/// The commands of a transaction.
pub struct Batch {
    pub needs: BatchLookup,
    pub changes: Changes,
}

/// The effects of placed orders, by the worker's own rules and types.
pub fn batches(workload: &Workload) -> Result<Vec<Batch>, Failure> {
    let messages: Vec<Message> = workload.commands.iter().map(decoded).collect::<Result<_, _>>()?;
    messages.chunks(BATCH).map(batch).collect()
}

fn decoded(command: &Publication) -> Result<Message, Failure> {
    let envelope = Envelope {
        routing_key: "order.place".to_owned(),
        properties: command.properties.clone(),
        body: command.body.clone(),
        ..Envelope::default()
    };
    decode::decode(&envelope).result.map_err(|dead| dead.detail.into())
}

fn batch(messages: &[Message]) -> Result<Batch, Failure> {
    let mut changes = Changes::default();
    for message in messages {
        place(message, &mut changes)?;
    }
    Ok(Batch { needs: BatchLookup::of(messages), changes })
}

fn place(message: &Message, changes: &mut Changes) -> Result<(), Failure> {
    let (Command::PlaceOrder(placed), Some(key)) = (&message.command, &message.idempotency_key)
    else {
        return Err("a stage takes placed orders with message ids".into());
    };
    let order_id = placed.order_id.clone().ok_or("a stage takes orders with ids")?;
    let at = SystemClock.now();
    let (order, change) = Order::place(order_id.clone(), placed.clone(), at);
    let event = StatusChanged { order: &order, change };
    let command = message.command.kind();
    changes.outbox.push(OutboxMessage::status_changed(event, message));
    changes.history.push(HistoryRow {
        order_id: order_id.clone(),
        change,
        command,
        caused_by: Some(key.message_id.clone()),
        reason: None,
    });
    changes.handled.push(InboxEntry {
        message_id: key.message_id.clone(),
        body_hash: key.body_hash,
        command,
        order: OrderState { order_id, status: change.status },
        outcome: InboxOutcome::Accepted,
        handled_at: at,
    });
    changes.placed.push(order);
    Ok(())
}
