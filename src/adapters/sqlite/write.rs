//! Writes all changes of a batch: one statement per table, whatever the size of the batch.

use serde::Serialize;
use sqlx::SqliteConnection;

use super::outbox;
use super::statement::{for_rows, json_list};
use crate::domain::{Item, MessageId, Order, Status};
use crate::messages::OutboxRow;
use crate::service_layer::{Changes, HistoryRow, InboxEntry, StoreError};

const INSERT_ORDERS: &str = "
insert into orders (order_id, customer_id, customer_name, customer_email, total, status, created_at,
                    last_updated, version)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
       value ->> 7, value ->> 8
from json_each(?1)";

const INSERT_ITEMS: &str = "
insert into order_items (order_id, line, product_id, name, quantity, price_per_unit)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
from json_each(?1)";

const UPDATE_ORDERS: &str = "
update orders set status = value ->> 2, last_updated = value ->> 3, version = value ->> 4
from json_each(?1)
where orders.order_id = value ->> 0 and orders.version = value ->> 1";

const INSERT_HISTORY: &str = "
insert into order_history (order_id, version, previous_status, status, changed_at, command,
                           caused_by, reason)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
       value ->> 7
from json_each(?1)";

const INSERT_HANDLED: &str = "
insert into handled_messages (message_id, body_hash, command, order_id, outcome, code, handled_at)
select value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5,
       value ->> 6
from json_each(?1)";

/// Writes all changes; returns the earlier outbox rows of the known orders with events.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    changes: &Changes,
) -> Result<Vec<OutboxRow>, StoreError> {
    let Changes { placed, updated, history, handled, outbox, published } = changes;
    outbox::remove(connection, published).await?;
    for_rows(connection, INSERT_ORDERS, json_list(placed.iter().map(order_columns))).await?;
    for_rows(connection, INSERT_ITEMS, json_list(placed.iter().flat_map(item_columns))).await?;
    update(connection, updated).await?;
    for_rows(connection, INSERT_HISTORY, json_list(history.iter().map(history_columns))).await?;
    for_rows(connection, INSERT_HANDLED, json_list(handled.iter().map(handled_columns))).await?;
    let earlier = outbox::rows_of(connection, changes.known_orders_with_events()).await?;
    outbox::insert(connection, outbox).await?;
    Ok(earlier)
}

async fn update(
    connection: &mut SqliteConnection,
    updated: &[(Order, i32)],
) -> Result<(), StoreError> {
    let rows = json_list(updated.iter().map(update_columns));
    let (found, expected) = (for_rows(connection, UPDATE_ORDERS, rows).await?, updated.len());
    if usize::try_from(found) == Ok(expected) {
        return Ok(());
    }
    Err(StoreError::Conflict(format!("{found} of {expected} orders had the loaded version")))
}

fn order_columns(order: &Order) -> impl Serialize {
    let customer = order.customer();
    (
        order.order_id().as_str(),
        customer.customer_id.as_str(),
        customer.name.as_str(),
        customer.email.as_str(),
        order.total().cents(),
        order.status().code(),
        order.created_at().timestamp_micros(),
        order.last_updated().timestamp_micros(),
        order.version(),
    )
}

fn item_columns(order: &Order) -> impl Iterator<Item = impl Serialize> {
    (1..).zip(order.items()).map(|(line, item): (i16, &Item)| {
        (
            order.order_id().as_str(),
            line,
            item.product_id.as_str(),
            item.name.as_str(),
            item.quantity.get(),
            item.price_per_unit.cents(),
        )
    })
}

fn update_columns((order, loaded_version): &(Order, i32)) -> impl Serialize {
    (
        order.order_id().as_str(),
        *loaded_version,
        order.status().code(),
        order.last_updated().timestamp_micros(),
        order.version(),
    )
}

fn history_columns(row: &HistoryRow) -> impl Serialize {
    (
        row.order_id.as_str(),
        row.change.version,
        row.change.previous.map(Status::code),
        row.change.status.code(),
        row.change.at.timestamp_micros(),
        row.command.name(),
        row.caused_by.as_ref().map(MessageId::as_str),
        row.reason.as_deref(),
    )
}

fn handled_columns(message: &InboxEntry) -> impl Serialize {
    (
        message.message_id.as_str(),
        format!("{:032x}", u128::from_be_bytes(message.body_hash)),
        message.command.name(),
        message.order.order_id.as_str(),
        message.outcome.as_str(),
        message.outcome.code(),
        message.handled_at.timestamp_micros(),
    )
}
