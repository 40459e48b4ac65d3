//! Inserts, reads and removes outbox rows.

use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::errors::store_error;
use super::statement::{for_rows, json_list};
use crate::domain::OrderId;
use crate::messages::{OutboxKey, OutboxMessage, OutboxMessageKind, OutboxRow, RawOutboxKey};
use crate::service_layer::{MAX_EARLIER_ROWS, StoreError};

const INSERT: &str = "
insert into outbox (order_id, version, event_id, kind, routing_key, correlation_id, traceparent,
                    body)
select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
       value ->> 7
from json_each(?1)";

const REMOVE: &str = "
delete from outbox where (order_id, version, event_id) in (
    select value ->> 0, value ->> 1, value ->> 2 from json_each(?1)
)";

/// The columns that [`outbox_row`] reads.
macro_rules! outbox_columns {
    () => {
        "order_id, version, event_id, kind, routing_key, correlation_id, traceparent, body"
    };
}
pub(super) use outbox_columns;

const OF_ORDERS: &str = concat!(
    "select ",
    outbox_columns!(),
    " from outbox where order_id in (select value from json_each(?1))
      order by order_id, version, event_id limit ?2"
);

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    outgoing: &[OutboxMessage],
) -> Result<(), StoreError> {
    for_rows(connection, INSERT, json_list(outgoing.iter().map(columns))).await.map(drop)
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    published: &[OutboxKey],
) -> Result<(), StoreError> {
    for_rows(connection, REMOVE, json_list(published.iter().map(key_columns))).await.map(drop)
}

/// The outbox rows of these orders, at most [`MAX_EARLIER_ROWS`].
pub(super) async fn rows_of(
    connection: &mut SqliteConnection,
    order_ids: Vec<&OrderId>,
) -> Result<Vec<OutboxRow>, StoreError> {
    if order_ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = sqlx::query(OF_ORDERS)
        .bind(json_list(order_ids.into_iter().map(OrderId::as_str)))
        .bind(i64::try_from(MAX_EARLIER_ROWS).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await;
    found.map_err(|error| store_error(&error))?.iter().map(outbox_row).collect()
}

pub(super) fn outbox_row(row: &SqliteRow) -> Result<OutboxRow, StoreError> {
    let key = raw_key(row).map_err(|error| store_error(&error))?;
    // Text that is not UTF-8 makes a row unreadable as well.
    let message = message_of(row, &key).unwrap_or_default().filter(OutboxMessage::is_routable);
    Ok(message.map_or(OutboxRow::Unreadable(key), OutboxRow::Message))
}

fn raw_key(row: &SqliteRow) -> Result<RawOutboxKey, sqlx::Error> {
    Ok(RawOutboxKey {
        order_id: row.try_get("order_id")?,
        version: row.try_get("version")?,
        event_id: row.try_get("event_id")?,
    })
}

fn message_of(row: &SqliteRow, key: &RawOutboxKey) -> Result<Option<OutboxMessage>, sqlx::Error> {
    let kind = OutboxMessageKind::from_code(row.try_get("kind")?);
    let (Some(key), Some(kind)) = (key.parse(), kind) else { return Ok(None) };
    Ok(Some(OutboxMessage {
        key,
        kind,
        routing_key: row.try_get("routing_key")?,
        correlation_id: row.try_get("correlation_id")?,
        traceparent: row.try_get("traceparent")?,
        body: row.try_get("body")?,
    }))
}

fn columns(outgoing: &OutboxMessage) -> impl Serialize {
    let OutboxMessage { key, kind, routing_key, correlation_id, traceparent, body } = outgoing;
    let (order_id, version, event_id) = key_columns(key);
    (order_id, version, event_id, kind.code(), routing_key, correlation_id, traceparent, body)
}

fn key_columns(key: &OutboxKey) -> (&str, i32, String) {
    (key.order_id.as_str(), key.version, key.event_id.to_string())
}
