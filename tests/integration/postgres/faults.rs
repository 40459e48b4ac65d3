//! How errors and locks of PostgreSQL are mapped, and which of them a new session resolves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use order_worker::messages::{OutboxKey, OutboxMessage};
use order_worker::service_layer::dead_letters::{DeadLetterFilter, DeadLetterStore};
use order_worker::service_layer::{
    BacklogProbe, BatchLookup, Changes, Health, InFlight, MessageBus, OrderQueries, OrderQuery,
    Page, PiiAccess, PiiAccessLog, RelayStore, Store, StoreError,
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{Postgres, server};
use crate::store_contract::{TestDatabase, bus_on, handle, outcomes, words};
use crate::support::clock::{TickingClock, moment};
use crate::support::messages::{id, next_status, place, some_order};

impl Postgres {
    /// A separate session.
    async fn session(&self) -> PgConnection {
        let mut session = PgConnection::connect(&server()).await.unwrap();
        run(&mut session, &format!("set search_path to {}", self.schema)).await;
        session
    }

    /// The error of inserting an order while a trigger raises its order id as SQLSTATE.
    async fn error_of(&self, sqlstate: &str) -> StoreError {
        let mut store = self.store();
        let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();
        let now = moment("2026-11-20T09:30:00Z");
        let order = order_worker::domain::Order::place(id(sqlstate), some_order(), now).0;
        let changes = Changes { placed: vec![order], ..Changes::default() };
        transaction.commit(&changes).await.unwrap_err()
    }
}

async fn run(session: &mut PgConnection, statements: &str) {
    session.execute(AssertSqlSafe(statements.to_owned())).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn errors_on_no_list_are_the_fault_of_a_message() {
    let database = Postgres::start().await;
    let mut session = database.session().await;
    run(
        &mut session,
        "create function refuse() returns trigger language plpgsql as
         $$ begin raise exception 'private' using errcode = new.order_id; end $$;
         create trigger refuse before insert on orders for each row execute function refuse()",
    )
    .await;

    for outage in [
        "08006", "25006", "28000", "3D000", "42P01", "42703", "53100", "53200", "53300", "55000",
        "57P01", "57P03", "58030", "XX000",
    ] {
        let error = database.error_of(outage).await;
        assert!(matches!(error, StoreError::Unavailable(_)), "{outage}: {error}");
    }
    for failure in ["2200H", "23502", "2F003", "39001", "42501", "57014", "XX001", "XX002"] {
        let error = database.error_of(failure).await;
        assert!(matches!(error, StoreError::Failed(_)), "{failure}: {error}");
    }
    for conflict in ["40000", "40001", "40002", "40P01", "72000"] {
        let error = database.error_of(conflict).await;
        assert!(matches!(error, StoreError::Conflict(_)), "{conflict}: {error}");
    }
    for a_messages in
        ["P0001", "22001", "22P02", "23503", "23514", "23505", "54000", "0A000", "38000", "ZZ123"]
    {
        let error = database.error_of(a_messages).await;
        let StoreError::Refused(text) = &error else { panic!("{a_messages}: {error}") };
        assert!(!text.contains("private"), "{text}");
    }
    let lock = database.error_of("55P03").await;
    assert!(matches!(&lock, StoreError::Locked(unknown) if unknown.is_empty()), "{lock}");
    database.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn locked_orders_are_reported_after_lock_timeout_or_at_once_with_skip_locked() {
    let database = Postgres::start().await;
    outcomes(&database, &[place("1"), place("2"), place("3")]).await;
    let mut lock = database.session().await;
    run(&mut lock, "begin; select from orders where order_id = '2' for update").await;
    let mut store = database.store();
    let needs = BatchLookup::of(&["1", "2", "3", "4"].map(next_status));

    let began = Instant::now();
    let waited = store.begin(&needs).await.map(drop);
    let took = began.elapsed();
    let asked = Instant::now();
    let at_once = store.begin(&BatchLookup { skip_locked: true, ..needs }).await.map(drop);
    let took_at_once = asked.elapsed();

    for locked in [waited, at_once] {
        let Err(StoreError::Locked(locked)) = locked else { panic!("{locked:?}") };
        assert_eq!(locked, [id("2")]);
    }
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(5), "{took:?}");
    assert!(took_at_once < Duration::from_millis(500), "it waited: {took_at_once:?}");
    assert!(store.begin(&BatchLookup::of(&[next_status("1")])).await.is_ok());
    run(&mut lock, "rollback").await;
    database.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn a_locked_table_is_an_outage() {
    let database = Postgres::start().await;
    let mut lock = database.session().await;
    run(&mut lock, "begin; lock table orders").await;

    let refused = database.store().begin(&BatchLookup::of(&[next_status("1")])).await.map(drop);

    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    run(&mut lock, "rollback; begin; lock table order_history").await;
    let written = written_order(&database).await;
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    run(&mut lock, "rollback").await;
    database.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn an_uncommitted_order_with_the_same_id_is_locked_without_an_order_id() {
    let database = Postgres::start().await;
    outcomes(&database, &[place("1")]).await;
    let mut lock = database.session().await;
    let insert = "begin; insert into orders select 'new', customer_id, customer_name,
                  customer_email, total, status, created_at, last_updated, version from orders";
    run(&mut lock, insert).await;

    let written = written_order(&database).await;

    assert!(matches!(&written, Err(StoreError::Locked(ids)) if ids.is_empty()), "{written:?}");
    run(&mut lock, "rollback").await;
    assert!(written_order(&database).await.is_ok());
    database.finish().await;
}

async fn written_order(database: &Postgres) -> Result<(), StoreError> {
    let mut store = database.store();
    let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();
    let (order, change) =
        order_worker::domain::Order::place(id("new"), some_order(), moment("2026-11-20T09:30:00Z"));
    let row = order_worker::service_layer::HistoryRow {
        order_id: id("new"),
        change,
        command: order_worker::domain::CommandKind::PlaceOrder,
        caused_by: None,
        reason: None,
    };
    let changes = Changes { placed: vec![order], history: vec![row], ..Changes::default() };
    transaction.commit(&changes).await.map(drop)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn locked_published_rows_are_skipped_and_removed_later() {
    let database = Postgres::start().await;
    let mut bus = bus_on(&database);
    let published: Vec<OutboxKey> =
        bus.handle_batch(&[place("1")]).await.to_publish.into_iter().map(|it| it.key).collect();
    let mut lock = database.session().await;
    run(&mut lock, "begin; select from outbox for update").await;
    bus.record_confirmed(published.clone());
    let mut relay = database.relay();
    assert!(relay.try_become_relay().await.unwrap());

    let began = Instant::now();
    let handled = bus.handle_batch(&[place("2"), next_status("1")]).await;
    database.store().remove_published(&published).await.unwrap();
    relay.remove(&published).await.unwrap();
    let took = began.elapsed();

    assert_eq!((words(&handled.outcomes), handled.locked), (vec!["accepted"; 2], vec![]));
    assert!(took < Duration::from_millis(900), "{took:?}");
    assert_eq!(handled.to_publish.len(), 2, "published messages are not published again");
    run(&mut lock, "rollback").await;
    let now = relay.now().await.unwrap();
    let left = relay.waiting(now, None, 10).await.unwrap();
    assert_eq!(left.len(), 3, "the relay has it again");
    relay.remove(&published).await.unwrap();
    assert_eq!(relay.waiting(now, None, 10).await.unwrap().len(), 2);
    database.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn the_age_of_an_event_starts_at_its_write_and_not_at_begin() {
    let database = Postgres::start().await;
    let event = event_without_a_row(&database).await;
    let mut relay = database.relay();
    assert!(relay.try_become_relay().await.unwrap());
    let mut store = database.store();
    let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();

    let before = relay.now().await.unwrap();
    let changes = Changes { outbox: vec![event], ..Changes::default() };
    transaction.commit(&changes).await.unwrap();

    assert_eq!(relay.waiting(before, None, 10).await.unwrap(), []);
    let after = relay.now().await.unwrap();
    assert_eq!(relay.waiting(after, None, 10).await.unwrap().len(), 1);
    database.finish().await;
}

/// An event that is not in the outbox.
async fn event_without_a_row(database: &Postgres) -> OutboxMessage {
    let event = handle(database, &[place("1")]).await.to_publish.remove(0);
    database.store().remove_published(std::slice::from_ref(&event.key)).await.unwrap();
    event
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn an_update_suppressed_by_a_trigger_holds_up_only_its_order() {
    let database = Postgres::start().await;
    outcomes(&database, &["1", "2", "3"].map(place)).await;
    let mut session = database.session().await;
    run(
        &mut session,
        "create function drop_it() returns trigger language plpgsql as
         $$ begin return null; end $$;
         create trigger drop_it before update on orders for each row when (old.order_id = '2')
         execute function drop_it()",
    )
    .await;

    let mut bus = bus_on(&database);
    let handled = bus.handle_batch(&["1", "2", "3", "2"].map(next_status)).await;

    assert_eq!((words(&handled.outcomes), handled.locked), (vec!["accepted"; 2], vec![1, 3]));
    run(&mut session, "drop trigger drop_it on orders").await;
    let again = bus.handle_batch(&["2", "2"].map(next_status)).await;
    assert_eq!(words(&again.outcomes), ["accepted"; 2]);
    database.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn a_changed_column_type_is_met_by_a_new_session_at_once() {
    let database = Postgres::start().await;
    let health = Health::default();
    let clock = Arc::new(TickingClock::default());
    let mut bus =
        MessageBus::new(Box::new(database.store()), clock, health.clone(), InFlight::default());
    bus.handle_batch(&[place("1")]).await;
    bus.handle_batch(&[next_status("1")]).await;
    let mut session = database.session().await;

    for kind in ["varchar(4000)", "text", "varchar(3000)"] {
        run(&mut session, &format!("alter table orders alter customer_name type {kind}")).await;
        run(&mut session, &format!("alter table outbox alter body type {kind}")).await;
        run(&mut session, "alter table outbox alter body type text").await;
        let handled = bus.handle_batch(&[next_status("1"), place(kind)]).await;
        assert_eq!(words(&handled.outcomes), ["accepted"; 2]);
    }

    let seen = health.metrics().text();
    assert!(seen.contains("order_worker_pauses_total{reason=\"database\"} 0"), "{seen}");
    database.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn every_pool_survives_a_changed_column_type() {
    let database = Postgres::start().await;
    outcomes(&database, &[place("1")]).await;
    let mut session = database.session().await;
    let (queries, dead_letters) = (database.queries(), database.database.dead_letters());
    let (pii_access_log, mut backlog) =
        (database.database.pii_access_log(), database.backlog_probe());
    let now = moment("2026-11-20T09:30:00Z");
    let access = PiiAccess { at: now, who: "Ada".into(), order_id: id("1") };

    for kind in ["varchar(400)", "text", "varchar(400)", "text"] {
        // Often enough to use each session of a pool.
        for _ in 0..6 {
            queries.orders(&OrderQuery::all(), &Page::first(10)).await.unwrap();
            assert!(queries.order(&id("1")).await.unwrap().is_some());
            dead_letters.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
            dead_letters.claim_dead_letter(1, 1, now, now).await.unwrap();
            pii_access_log.record_access(&access).await.unwrap();
            pii_access_log.accesses(&id("1"), 10).await.unwrap();
            backlog.backlog().await.unwrap();
        }
        for (table, column) in [
            ("orders", "customer_name"),
            ("order_items", "name"),
            ("dead_letters", "command"),
            ("email_disclosures", "who"),
        ] {
            let alter = format!("alter table {table} alter {column} type {kind}");
            run(&mut session, &alter).await;
        }
    }
    database.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn a_waiting_relay_sees_the_holder_of_the_lock() {
    let database = Postgres::start().await;
    let (mut relay, mut other) = (database.relay(), database.relay());
    assert!(relay.try_become_relay().await.unwrap());

    assert!(!other.try_become_relay().await.unwrap());

    let holder = other.holder().unwrap();
    assert!(holder.application.starts_with("order-worker "), "{holder:?}");
    assert!(holder.application.ends_with(&format!(":{}", std::process::id())), "{holder:?}");
    assert!(holder.session > 0 && holder.idle < Duration::from_secs(5), "{holder:?}");
    database.finish().await;
}
