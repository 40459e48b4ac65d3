//! R2: the set-based insert, in SQL of its own. It checks nothing and deletes nothing from the outbox,
//! so it is less work than any worker with an inbox and an outbox has.

use order_worker::domain::{CommandKind, Item, MessageId, Order, OrderId, Status};
use order_worker::messages::OutboxMessage;
use order_worker::service_layer::{Changes, HistoryRow, InboxEntry};
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};
use tokio::try_join;

use super::Stopwatch;
use super::prepared::Batch;
use crate::Failure;
use crate::backlog::Sample;
use crate::bench_env::BenchEnv;
use crate::check::ensure_equal;

const INSERT: &str = "
with placed as (
    insert into orders (order_id, customer_id, customer_name, customer_email, total, status,
                        created_at, last_updated, version)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::numeric[],
                         $6::smallint[], $7::timestamptz[], $8::timestamptz[], $9::integer[])
), items as (
    insert into order_items (order_id, line, product_id, name, quantity, price_per_unit)
    select * from unnest($10::text[], $11::smallint[], $12::text[], $13::text[], $14::integer[],
                         $15::numeric[])
), history as (
    insert into order_history (order_id, version, status, changed_at, command, caused_by)
    select * from unnest($16::text[], $17::integer[], $18::smallint[], $19::timestamptz[],
                         $20::text[], $21::text[])
), handled as (
    insert into handled_messages (message_id, body_hash, command, order_id, outcome, handled_at)
    select * from unnest($22::text[], $23::bytea[], $24::text[], $25::text[], $26::text[],
                         $27::timestamptz[])
)
insert into outbox (order_id, version, event_id, kind, routing_key, correlation_id, body)
select * from unnest($28::text[], $29::integer[], $30::uuid[], $31::smallint[], $32::text[],
                     $33::text[], $34::text[])";

pub async fn run(env: &BenchEnv<'_>, batches: &[Batch]) -> Result<Sample, Failure> {
    let mut sessions = [env.session().await?, env.session().await?];
    let [one, other] = &mut sessions;
    let clock = Stopwatch::start(env.servers).await;
    let (first, second) = batches.split_at(batches.len() / 2);
    try_join!(insert_all(one, first), insert_all(other, second))?;
    let orders = batches.iter().map(|batch| batch.changes.placed.len()).sum();
    let sample = clock.stop(orders);
    let found = env.count("select count(*) from orders").await?;
    ensure_equal("orders", usize::try_from(found)?, orders)?;
    Ok(sample)
}

async fn insert_all(session: &mut PgConnection, batches: &[Batch]) -> Result<(), Failure> {
    for batch in batches {
        insert(session, &batch.changes).await?;
    }
    Ok(())
}

/// Three round trips: begin, insert, commit.
async fn insert(session: &mut PgConnection, changes: &Changes) -> Result<(), Failure> {
    let mut transaction = session.begin().await?;
    let query = bind_orders(sqlx::query(INSERT), &changes.placed);
    let query = bind_items(query, &changes.placed);
    let query = bind_history(query, &changes.history);
    let query = bind_handled(query, &changes.handled);
    bind_outgoing(query, &changes.outbox).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// One column of many rows.
fn column<'a, T, V>(rows: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}

fn bind_orders<'q>(query: PgQuery<'q>, orders: &'q [Order]) -> PgQuery<'q> {
    query
        .bind(column(orders, |order| order.order_id().as_str()))
        .bind(column(orders, |order| order.customer().customer_id.as_str()))
        .bind(column(orders, |order| order.customer().name.as_str()))
        .bind(column(orders, |order| order.customer().email.as_str()))
        .bind(column(orders, |order| order.total().as_decimal()))
        .bind(column(orders, |order| order.status().code()))
        .bind(column(orders, Order::created_at))
        .bind(column(orders, Order::last_updated))
        .bind(column(orders, Order::version))
}

fn bind_items<'q>(query: PgQuery<'q>, orders: &'q [Order]) -> PgQuery<'q> {
    let lines: Vec<(&OrderId, i16, &Item)> = orders
        .iter()
        .flat_map(|order| {
            (1..).zip(order.items()).map(|(line, item)| (order.order_id(), line, item))
        })
        .collect();
    query
        .bind(lines.iter().map(|(order_id, ..)| order_id.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|&(_, line, _)| line).collect::<Vec<_>>())
        .bind(lines.iter().map(|(.., item)| item.product_id.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|(.., item)| item.name.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|(.., item)| item.quantity.get().cast_signed()).collect::<Vec<_>>())
        .bind(lines.iter().map(|(.., item)| item.price_per_unit.as_decimal()).collect::<Vec<_>>())
}

fn bind_history<'q>(query: PgQuery<'q>, history: &'q [HistoryRow]) -> PgQuery<'q> {
    query
        .bind(column(history, |row| row.order_id.as_str()))
        .bind(column(history, |row| row.change.version))
        .bind(column(history, |row| Status::code(row.change.status)))
        .bind(column(history, |row| row.change.at))
        .bind(column(history, |row| row.command.name()))
        .bind(column(history, |row| row.caused_by.as_ref().map(MessageId::as_str)))
}

fn bind_handled<'q>(query: PgQuery<'q>, handled: &'q [InboxEntry]) -> PgQuery<'q> {
    query
        .bind(column(handled, |message| message.message_id.as_str()))
        .bind(column(handled, |message| message.body_hash.as_slice()))
        .bind(column(handled, |message| CommandKind::name(message.command)))
        .bind(column(handled, |message| message.order.order_id.as_str()))
        .bind(column(handled, |message| message.outcome.as_str()))
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
        .bind(column(outgoing, |message| message.body.as_str()))
}
