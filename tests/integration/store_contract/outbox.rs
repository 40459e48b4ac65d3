//! The outbox.

use chrono::TimeDelta;
use order_worker::domain::Status;
use order_worker::messages::{OutboxKey, OutboxMessage, OutboxRow};
use order_worker::service_layer::{BatchLookup, Changes, MAX_EARLIER_ROWS, RelayStore, Store};
use uuid::Uuid;

use super::{TestDatabase, bus_on, handle, words};
use crate::support::messages::{With, cancel, next_status, place, set_status};

pub async fn the_outbox_contains_what_was_committed<D: TestDatabase>(database: &D) {
    let completed = set_status("14", Status::Completed);
    let messages =
        [place("14").with_id("m").with_reply_to("answers"), completed, cancel("14"), cancel("15")];

    let mut outgoing = handle(database, &messages).await.to_publish;

    let routing_keys: Vec<&str> = outgoing.iter().map(|out| out.routing_key.as_str()).collect();
    let events = ["order.status.received", "answers", "order.status.completed"];
    assert_eq!(routing_keys, [&events[..], &["order.rejected.cancel"]].concat());
    outgoing.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(waiting(database).await, outgoing);
}

pub async fn removing_what_was_published_empties_the_outbox<D: TestDatabase>(database: &D) {
    let outgoing =
        handle(database, &[place("14"), place("15"), next_status("14")]).await.to_publish;
    let published = keys(&outgoing);

    database.store().remove_published(&published).await.unwrap();

    assert_eq!(waiting(database).await, []);
    database.store().remove_published(&published).await.expect("a missing row is no error");
}

pub async fn published_messages_leave_the_outbox_with_the_next_commit<D: TestDatabase>(
    database: &D,
) {
    let mut bus = bus_on(database);
    let first = bus.handle_batch(&[place("14")]).await.to_publish;
    bus.record_confirmed(keys(&first));

    let second = bus.handle_batch(&[next_status("14")]).await.to_publish;

    assert_eq!(versions(&second), [2], "published messages are not published again");
    assert_eq!(waiting(database).await, second);
}

pub async fn a_commit_returns_earlier_messages_of_its_orders<D: TestDatabase>(database: &D) {
    let earlier = handle(database, &[place("14"), next_status("14"), place("15")]).await.to_publish;

    let outgoing = handle(database, &[next_status("14")]).await.to_publish;

    assert_eq!(versions(&outgoing), [1, 2, 3]);
    assert_eq!(outgoing[..2], earlier[..2]);
    assert!(outgoing.iter().all(|message| message.key.order_id.as_str() == "14"));
}

pub async fn a_rejection_is_published_after_earlier_messages_of_its_order<D: TestDatabase>(
    database: &D,
) {
    let earlier = handle(database, &[place("14"), cancel("14"), place("15")]).await.to_publish;

    let outgoing = handle(database, &[cancel("14")]).await.to_publish;

    let routing_keys: Vec<&str> = outgoing.iter().map(|out| out.routing_key.as_str()).collect();
    assert_eq!(
        routing_keys,
        ["order.status.received", "order.status.cancelled", "order.rejected.cancel"]
    );
    assert_eq!(outgoing[..2], earlier[..2]);
}

pub async fn events_behind_too_many_earlier_rows_are_left_to_the_relay<D: TestDatabase>(
    database: &D,
) {
    let event = handle(database, &[place("14"), place("13")]).await.to_publish.remove(0);
    let more = (0..MAX_EARLIER_ROWS).map(|_| {
        let key = OutboxKey { event_id: Uuid::now_v7(), ..event.key.clone() };
        OutboxMessage { key, ..event.clone() }
    });
    let mut store = database.store();
    let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();
    let changes = Changes { outbox: more.collect(), ..Changes::default() };
    assert_eq!(transaction.commit(&changes).await.unwrap().len(), 1);

    let batch = ["13", "14", "14"].map(next_status).into_iter().chain([place("15")]);
    let outgoing = handle(database, &batch.collect::<Vec<_>>()).await.to_publish;

    let of = |order_id: &str| -> Vec<OutboxMessage> {
        outgoing.iter().filter(|out| out.key.order_id.as_str() == order_id).cloned().collect()
    };
    assert_eq!((versions(&of("13")), versions(&of("15"))), (vec![1, 2], vec![1]));
    assert_eq!(versions(&of("14")), vec![1; MAX_EARLIER_ROWS - 1]);
    let later = waiting(database).await.into_iter().filter(|out| out.key.version > 1);
    assert_eq!(later.count(), 3, "nothing is lost");
}

pub async fn an_unreadable_row_holds_back_only_later_events_of_its_order<D: TestDatabase>(
    database: &D,
) {
    handle(database, &[place("14"), place("15")]).await;
    database.garble_outbox("14").await;
    handle(database, &[next_status("14")]).await;

    let handled = handle(database, &["14", "15"].map(next_status)).await;

    assert_eq!(words(&handled.outcomes), ["accepted"; 2]);
    let outgoing =
        handled.to_publish.iter().map(|out| (out.key.order_id.as_str(), out.key.version));
    assert_eq!(outgoing.collect::<Vec<_>>(), [("15", 1), ("15", 2)]);
}

pub async fn the_relay_sees_unreadable_rows<D: TestDatabase>(database: &D) {
    let outgoing = handle(database, &[place("14"), place("15")]).await.to_publish;
    database.garble_outbox("14").await;
    let mut relay = relay_on(database).await;

    let now = relay.now().await.unwrap();
    let rows = relay.waiting(now, None, 10).await.unwrap();
    let behind = relay.waiting(now, Some(&rows[0].key()), 10).await.unwrap();

    let unreadable = OutboxRow::Unreadable((&outgoing[0].key).into());
    assert_eq!(rows, [unreadable, OutboxRow::Message(outgoing[1].clone())]);
    assert_eq!(behind, rows[1..]);
}

pub async fn the_relay_reads_in_the_order_of_keys<D: TestDatabase>(database: &D) {
    handle(database, &[place("b"), place("ä"), place("A"), place("a"), next_status("a")]).await;
    let mut relay = relay_on(database).await;

    let now = relay.now().await.unwrap();
    let all = messages(relay.waiting(now, None, 10).await.unwrap());
    let page = messages(relay.waiting(now, Some(&(&all[1].key).into()), 2).await.unwrap());

    let ids: Vec<&str> = all.iter().map(|outgoing| outgoing.key.order_id.as_str()).collect();
    assert_eq!(ids, ["A", "a", "a", "b", "ä"]);
    assert_eq!(versions(&all), [1, 1, 2, 1, 1]);
    assert_eq!(page, all[2..4]);
}

pub async fn the_relay_skips_recent_messages<D: TestDatabase>(database: &D) {
    handle(database, &[place("14")]).await;
    let mut relay = relay_on(database).await;

    let now = relay.now().await.unwrap();
    let old = relay.waiting(now - TimeDelta::hours(1), None, 10).await.unwrap();

    assert_eq!(old, []);
    assert_eq!(relay.waiting(now, None, 10).await.unwrap().len(), 1);
}

pub async fn only_one_relay_runs_at_a_time<D: TestDatabase>(database: &D) {
    let mut one = relay_on(database).await;
    let mut other = database.relay();

    assert!(!other.try_become_relay().await.unwrap());
    assert!(one.try_become_relay().await.unwrap(), "it stays the relay");

    drop(one);
    relay_on(database).await;
}

async fn waiting<D: TestDatabase>(database: &D) -> Vec<OutboxMessage> {
    let mut relay = relay_on(database).await;
    let now = relay.now().await.unwrap();
    messages(relay.waiting(now, None, 10_000).await.unwrap())
}

fn messages(rows: Vec<OutboxRow>) -> Vec<OutboxMessage> {
    rows.into_iter().filter_map(OutboxRow::into_message).collect()
}

/// Becomes the relay. The server may need a moment to end the session of the previous one.
async fn relay_on<D: TestDatabase>(database: &D) -> D::Relay {
    let mut relay = database.relay();
    while !relay.try_become_relay().await.unwrap() {}
    relay
}

fn keys(outgoing: &[OutboxMessage]) -> Vec<OutboxKey> {
    outgoing.iter().map(|message| message.key.clone()).collect()
}

fn versions(outgoing: &[OutboxMessage]) -> Vec<i32> {
    outgoing.iter().map(|message| message.key.version).collect()
}
