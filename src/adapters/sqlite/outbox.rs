//! The outbox: rows in, rows out.

use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::errors::store_error;
use super::statement::{for_rows, json_list, rows_for};
use crate::domain::{Order, OrderId};
use crate::service_layer::{OutboxKey, OutboxMessage, OutboxMessageKind, StoreError};

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

/// What [`outgoing_from`] reads.
macro_rules! outgoing_columns {
    () => {
        "order_id, version, event_id, kind, routing_key, correlation_id, traceparent, body"
    };
}
pub(super) use outgoing_columns;

const OF_ORDERS: &str = concat!(
    "select ",
    outgoing_columns!(),
    " from outbox where order_id in (select value from json_each(?1))
      order by order_id, version, event_id"
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

/// What the outbox holds of these orders.
pub(super) async fn waiting_of(
    connection: &mut SqliteConnection,
    orders: impl Iterator<Item = &Order>,
) -> Result<Vec<OutboxMessage>, StoreError> {
    let order_ids = json_list(orders.map(|order| order.order_id().as_str()));
    rows_for(connection, OF_ORDERS, order_ids).await?.iter().map(outgoing_from).collect()
}

pub(super) fn outgoing_from(row: &SqliteRow) -> Result<OutboxMessage, StoreError> {
    let parse = || -> Result<Option<OutboxMessage>, sqlx::Error> {
        let order_id = OrderId::new(row.try_get::<String, _>("order_id")?).ok();
        let event_id = Uuid::try_parse(row.try_get("event_id")?).ok();
        let kind = OutboxMessageKind::from_code(row.try_get("kind")?);
        let (Some(order_id), Some(event_id), Some(kind)) = (order_id, event_id, kind) else {
            return Ok(None);
        };
        Ok(Some(OutboxMessage {
            key: OutboxKey { order_id, version: row.try_get("version")?, event_id },
            kind,
            routing_key: row.try_get("routing_key")?,
            correlation_id: row.try_get("correlation_id")?,
            traceparent: row.try_get("traceparent")?,
            body: row.try_get("body")?,
        }))
    };
    parse()
        .map_err(|error| store_error(&error))?
        .ok_or_else(|| StoreError::Refused("a row of outbox cannot be read".to_owned()))
}

fn columns(outgoing: &OutboxMessage) -> impl Serialize {
    let OutboxMessage { key, kind, routing_key, correlation_id, traceparent, body } = outgoing;
    let (order_id, version, event_id) = key_columns(key);
    (order_id, version, event_id, kind.code(), routing_key, correlation_id, traceparent, body)
}

fn key_columns(key: &OutboxKey) -> (&str, i32, String) {
    (key.order_id.as_str(), key.version, key.event_id.to_string())
}
