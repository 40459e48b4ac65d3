//! Writes all changes of a batch in one statement.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::errors::store_error;
use super::pool::PgQuery;
use super::response::{RESPONSE_TIMEOUT, within};
use crate::domain::{CommandKind, Item, MessageId, Order, OrderId, Status};
use crate::messages::{OutboxKey, OutboxMessage, OutboxMessageKind, OutboxRow, RawOutboxKey};
use crate::service_layer::{Changes, MAX_EARLIER_ROWS, StoreError};

/// All data-modifying CTEs and the final select see the same snapshot, so the select returns what
/// was in the outbox before this statement, for the known orders with events. The statement starts
/// after the load has locked these orders, so it sees everything that earlier lock holders
/// committed.
///
/// Published rows that another transaction has locked are skipped: no batch waits for them. Events
/// get the time at which they are written (`clock_timestamp()`), not that at which the transaction
/// began: it may have waited for a lock since.
///
/// Rows are selected with `= any`, which leaves the planner only their index. With a join on
/// `unnest` alone, it starts from the table when statistics say that the table is empty, which is
/// what the outbox looks like whenever it is analyzed: then each batch reads all of it, at a fifth
/// of the speed. A second `= any` would be slow as well: before PostgreSQL 17, an index scan probes
/// every pair of elements of two arrays, and a filter compares each row with every element. So one
/// array selects rows by index, and the other is a hashed subplan; `is true` keeps the planner from
/// turning that into a join, which it would again order by the statistics (8,800 instead of 17,500
/// orders/s after the outbox was analyzed).
const WRITE: &str = "
with placed as (
    insert into orders (order_id, customer_id, customer_name, customer_email, total, status,
                        created_at, last_updated, version)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::numeric[],
                         $6::smallint[], $7::timestamptz[], $8::timestamptz[], $9::integer[])
), items as (
    insert into order_items (order_id, line, product_id, name, quantity, price_per_unit)
    select * from unnest($10::text[], $11::smallint[], $12::text[], $13::text[], $14::integer[],
                         $15::numeric[])
), updated as (
    update orders o set status = u.status, last_updated = u.last_updated, version = u.version
    from unnest($16::text[], $17::integer[], $18::smallint[], $19::timestamptz[], $20::integer[])
         as u (order_id, loaded_version, status, last_updated, version)
    where o.order_id = any($16::text[]) and o.order_id = u.order_id and o.version = u.loaded_version
    returning o.order_id
), history as (
    insert into order_history (order_id, version, previous_status, status, changed_at, command,
                               caused_by, reason)
    select * from unnest($21::text[], $22::integer[], $23::smallint[], $24::smallint[],
                         $25::timestamptz[], $26::text[], $27::text[], $28::text[])
), handled as (
    insert into handled_messages (message_id, body_hash, command, order_id, outcome, code,
                                  handled_at)
    select * from unnest($29::text[], $30::bytea[], $31::text[], $32::text[], $33::text[],
                         $34::text[], $35::timestamptz[])
), outgoing as (
    insert into outbox (order_id, version, event_id, kind, routing_key, correlation_id,
                        traceparent, body, committed_at)
    select *, clock_timestamp()
    from unnest($36::text[], $37::integer[], $38::uuid[], $39::smallint[], $40::text[],
                $41::text[], $42::text[], $43::text[])
), published as (
    delete from outbox where ctid = any(array(
        select ctid from outbox
        where order_id = any($44::text[]) and (event_id in (select unnest($45::uuid[]))) is true
        for update skip locked))
)
select b.order_id, b.version, b.event_id, b.kind, b.routing_key, b.correlation_id, b.traceparent,
       b.body, (select count(*) from updated) as updated_count
from (select 1) as always
left join outbox b on b.order_id = any($46::text[])
                  and (b.event_id in (select unnest($45::uuid[]))) is not true
order by b.order_id, b.version, b.event_id
limit $47";

const REMOVE_PUBLISHED: &str = "
delete from outbox where ctid = any(array(
    select ctid from outbox
    where order_id = any($1::text[]) and (event_id in (select unnest($2::uuid[]))) is true
    for update skip locked))";

/// The columns that [`outbox_row`] reads.
pub(super) const OUTBOX_COLUMNS: &str =
    "order_id, version, event_id, kind, routing_key, correlation_id, traceparent, body";

/// Writes all changes; returns the earlier outbox rows of the known orders with events.
pub(super) async fn write(
    connection: &mut PgConnection,
    changes: &Changes,
) -> Result<Vec<OutboxRow>, StoreError> {
    let query = bind_placed(sqlx::query(WRITE), &changes.placed);
    let query = bind_updated(query, &changes.updated);
    let query = bind_history(query, changes);
    let query = bind_handled(query, changes);
    let query = bind_outgoing(query, &changes.outbox);
    let query = bind_keys(query, &changes.published);
    let known: Vec<&str> =
        changes.known_orders_with_events().into_iter().map(OrderId::as_str).collect();
    let query = query.bind(known).bind(i64::try_from(MAX_EARLIER_ROWS).unwrap_or(i64::MAX));
    let rows = within(RESPONSE_TIMEOUT, query.fetch_all(connection)).await?;
    ensure_all_updated(&rows, changes.updated.len())?;
    // Without earlier rows, the left join returns one row of nulls.
    let earlier =
        rows.iter().filter(|row| matches!(row.try_get::<Option<&str>, _>("order_id"), Ok(Some(_))));
    earlier.map(outbox_row).collect()
}

pub(super) async fn remove_published(
    connection: &mut PgConnection,
    published: &[OutboxKey],
) -> Result<(), StoreError> {
    let query = bind_keys(sqlx::query(REMOVE_PUBLISHED), published);
    within(RESPONSE_TIMEOUT, query.execute(connection)).await.map(drop)
}

/// Reads a row with the [`OUTBOX_COLUMNS`].
pub(super) fn outbox_row(row: &PgRow) -> Result<OutboxRow, StoreError> {
    read_outbox_row(row).map_err(|error| store_error(&error))
}

fn read_outbox_row(row: &PgRow) -> Result<OutboxRow, sqlx::Error> {
    let (order_id, event_id): (String, Uuid) = (row.try_get("order_id")?, row.try_get("event_id")?);
    let version: i32 = row.try_get("version")?;
    let key = RawOutboxKey { order_id, version: version.into(), event_id: event_id.to_string() };
    let kind = OutboxMessageKind::from_code(row.try_get::<i16, _>("kind")?.into());
    let (Some(parsed), Some(kind)) = (key.parse(), kind) else {
        return Ok(OutboxRow::Unreadable(key));
    };
    let message = OutboxMessage {
        key: parsed,
        kind,
        routing_key: row.try_get("routing_key")?,
        correlation_id: row.try_get("correlation_id")?,
        traceparent: row.try_get("traceparent")?,
        body: row.try_get("body")?,
    };
    Ok(if message.is_routable() { OutboxRow::Message(message) } else { OutboxRow::Unreadable(key) })
}

fn ensure_all_updated(rows: &[PgRow], expected: usize) -> Result<(), StoreError> {
    let updated: i64 = match rows.first() {
        Some(row) => row.try_get("updated_count").map_err(|error| store_error(&error))?,
        None => 0,
    };
    if usize::try_from(updated) == Ok(expected) {
        return Ok(());
    }
    Err(StoreError::Conflict(format!("{updated} of {expected} orders had the loaded version")))
}

/// One column of many rows, as an array parameter for `unnest`.
fn column<'a, T, V>(rows: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

fn bind_placed<'q>(query: PgQuery<'q>, placed: &'q [Order]) -> PgQuery<'q> {
    let lines: Vec<(&OrderId, i16, &Item)> = placed
        .iter()
        .flat_map(|order| {
            (1..).zip(order.items()).map(|(line, item)| (order.order_id(), line, item))
        })
        .collect();
    query
        .bind(column(placed, |order| order.order_id().as_str()))
        .bind(column(placed, |order| order.customer().customer_id.as_str()))
        .bind(column(placed, |order| order.customer().name.as_str()))
        .bind(column(placed, |order| order.customer().email.as_str()))
        .bind(column(placed, |order| order.total().as_decimal()))
        .bind(column(placed, |order| order.status().code()))
        .bind(column(placed, Order::created_at))
        .bind(column(placed, Order::last_updated))
        .bind(column(placed, Order::version))
        .bind(lines.iter().map(|(order_id, ..)| order_id.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|&(_, line, _)| line).collect::<Vec<_>>())
        .bind(lines.iter().map(|(_, _, item)| item.product_id.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|(_, _, item)| item.name.as_str()).collect::<Vec<_>>())
        .bind(
            lines.iter().map(|(_, _, item)| item.quantity.get().cast_signed()).collect::<Vec<_>>(),
        )
        .bind(lines.iter().map(|(_, _, item)| item.price_per_unit.as_decimal()).collect::<Vec<_>>())
}

fn bind_updated<'q>(query: PgQuery<'q>, updated: &'q [(Order, i32)]) -> PgQuery<'q> {
    query
        .bind(column(updated, |(order, _)| order.order_id().as_str()))
        .bind(column(updated, |&(_, loaded_version)| loaded_version))
        .bind(column(updated, |(order, _)| order.status().code()))
        .bind(column(updated, |(order, _)| order.last_updated()))
        .bind(column(updated, |(order, _)| order.version()))
}

fn bind_history<'q>(query: PgQuery<'q>, changes: &'q Changes) -> PgQuery<'q> {
    let history = &changes.history;
    query
        .bind(column(history, |row| row.order_id.as_str()))
        .bind(column(history, |row| row.change.version))
        .bind(column(history, |row| row.change.previous.map(Status::code)))
        .bind(column(history, |row| row.change.status.code()))
        .bind(column(history, |row| row.change.at))
        .bind(column(history, |row| row.command.name()))
        .bind(column(history, |row| row.caused_by.as_ref().map(MessageId::as_str)))
        .bind(column(history, |row| row.reason.as_deref()))
}

fn bind_handled<'q>(query: PgQuery<'q>, changes: &'q Changes) -> PgQuery<'q> {
    let handled = &changes.handled;
    query
        .bind(column(handled, |message| message.message_id.as_str()))
        .bind(column(handled, |message| message.body_hash.as_slice()))
        .bind(column(handled, |message| CommandKind::name(message.command)))
        .bind(column(handled, |message| message.order.order_id.as_str()))
        .bind(column(handled, |message| message.outcome.as_str()))
        .bind(column(handled, |message| message.outcome.code()))
        .bind(column(handled, |message| message.handled_at))
}

fn bind_outgoing<'q>(query: PgQuery<'q>, outgoing: &'q [OutboxMessage]) -> PgQuery<'q> {
    query
        .bind(column(outgoing, |message| message.key.order_id.as_str()))
        .bind(column(outgoing, |message| message.key.version))
        .bind(column(outgoing, |message| message.key.event_id))
        .bind(column(outgoing, |message| message.kind.code()))
        .bind(column(outgoing, |message| message.routing_key.as_str()))
        .bind(column(outgoing, |message| message.correlation_id.as_deref()))
        .bind(column(outgoing, |message| message.traceparent.as_deref()))
        .bind(column(outgoing, |message| message.body.as_str()))
}

fn bind_keys<'q>(query: PgQuery<'q>, keys: &'q [OutboxKey]) -> PgQuery<'q> {
    query
        .bind(column(keys, |key| key.order_id.as_str()))
        .bind(column(keys, |key| -> Uuid { key.event_id }))
}
