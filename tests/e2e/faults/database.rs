//! A database that terminates sessions, is full, read-only, or makes the worker wait.

use order_worker::adapters::postgres::PgDatabase;
use order_worker::service_layer::{BatchLookup, Store, StoreError};
use sqlx::Executor;
use uuid::Uuid;

use crate::amqp_client::{AmqpClient, orders, publish_orders};
use crate::http_api::client::Client;
use crate::tcp_proxy::{TcpProxy, host_of};
use crate::test_env::{PATIENT_RELAY, TestEnv, Worker, eventually, logged, variable};
use crate::workload::{
    Copies, Expected, assert_consistent, assert_processes_new_orders, publish, subscribe,
};

/// A database role for the worker of one test, to change its permissions and limits.
pub struct OwnRole {
    name: String,
    pub env: TestEnv,
}

impl OwnRole {
    pub async fn create() -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let url = variable("DATABASE_URL");
        let (_, place) = url.rsplit_once('@').unwrap();
        let own_url = format!("postgres://{name}:secret@{place}");
        let env = TestEnv::at_addresses(&variable("AMQP_URL"), &own_url).await;
        env.execute(&format!("create role {name} login password 'secret' in role current_user"))
            .await;
        Self { name, env }
    }

    pub async fn alter(&self, what: &str) {
        self.env.execute(&format!("alter role {} {what}", self.name)).await;
    }

    pub async fn remove(self) {
        let Self { name, env } = self;
        let mut session = env.database_session().await;
        env.remove().await;
        session.execute(sqlx::AssertSqlSafe(format!("drop role {name}"))).await.unwrap();
    }
}

/// A worker whose lanes have no session yet, as no message has come.
async fn idle_worker(env: &TestEnv) -> Worker {
    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;
    subscribe(env);
    worker
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn repeatedly_terminated_sessions_lose_nothing() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let worker = env.spawn_worker_with(&["--batch-max", "20"]);
    let mut expected = Expected::default();

    for round in 0..15 {
        let handled = env.count("handled_messages").await;
        expected = expected.and(publish(&env, &format!("31{round:02}"), 200));
        eventually("a lane has a session", || async {
            env.count("handled_messages").await > handled
        })
        .await;
        assert!(env.terminate_sessions().await > 0, "in round {round}");
    }

    assert!(worker.log().contains(logged::DATABASE_OUTAGE), "{}", worker.log());
    assert_consistent(&env, &expected, Copies::Any).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_worker_waits_for_a_database_without_free_connections() {
    let role = OwnRole::create().await;
    let env = &role.env;
    let worker = idle_worker(env).await;
    role.alter("connection limit 0").await;

    let expected = publish(env, "32", 500);

    worker.wait_for_log("too many connections").await;
    assert!(!env.is_ready());
    assert_eq!(env.count("handled_messages").await, 0);
    role.alter("connection limit -1").await;
    assert_consistent(env, &expected, Copies::One).await;
    worker.stop().await;
    role.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_worker_waits_for_a_read_only_database() {
    let role = OwnRole::create().await;
    let env = &role.env;
    let worker = idle_worker(env).await;
    role.alter("set default_transaction_read_only = on").await;

    let expected = publish(env, "33", 500);

    worker.wait_for_log("read-only").await;
    assert_eq!(env.count("handled_messages").await, 0);
    role.alter("reset default_transaction_read_only").await;
    assert_consistent(env, &expected, Copies::One).await;
    worker.stop().await;
    role.remove().await;
}

/// Makes each insert of an order raise an error while a condition holds.
async fn refuse_orders(env: &TestEnv, condition: &str, error: &str, sqlstate: &str) {
    let refuse = format!("raise exception '{error}' using errcode = '{sqlstate}'");
    env.before_each_order(&format!("if {condition} then {refuse}; end if")).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_worker_waits_for_a_database_with_a_full_disk() {
    let env = TestEnv::new().await;
    let worker = idle_worker(&env).await;
    refuse_orders(&env, "true", "No space left on device", "53100").await;

    let expected = publish(&env, "34", 500);

    worker.wait_for_log("No space left on device").await;
    assert_eq!(env.count("orders").await, 0);
    env.execute("drop trigger before_order on orders").await;
    assert_consistent(&env, &expected, Copies::One).await;
    worker.stop().await;
    env.remove().await;
}

async fn assert_conflicts_are_retried(sqlstate: &str) {
    let env = TestEnv::new().await;
    let worker = idle_worker(&env).await;
    refuse_orders(&env, "nextval('order_inserts') <= 30", "conflict", sqlstate).await;

    let expected = publish(&env, "35", 500);

    assert_consistent(&env, &expected, Copies::One).await;
    let inserts = env.ask("select last_value from order_inserts").await;
    assert!(inserts[0].parse::<usize>().unwrap() > 30, "{inserts:?}");
    let log = worker.stop_and_read_log().await;
    assert!(!log.contains(logged::DATABASE_OUTAGE), "{log}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn deadlocks_are_retried() {
    assert_conflicts_are_retried("40P01").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn serialization_failures_are_retried() {
    assert_conflicts_are_retried("40001").await;
}

/// Places this many orders and locks the first of them in the returned session.
async fn place_and_lock_first(env: &TestEnv, count: usize) -> sqlx::PgConnection {
    publish_orders(env, &orders(0..count)).await;
    env.wait_for_count("orders", count).await;
    let mut lock = env.database_session().await;
    lock.execute("begin; select from orders where order_id = '0' for update").await.unwrap();
    lock
}

async fn advance_all(env: &TestEnv, round: &str, count: usize) {
    let amqp = AmqpClient::on(env).await;
    for n in 0..count {
        let properties = lapin::BasicProperties::default();
        let properties = properties.with_message_id(format!("{round}-{n}").into());
        let body = format!(r#"{{"order_id": "{n}"}}"#);
        amqp.send("order.set_next_status", body.as_bytes(), properties).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_locked_order_delays_only_its_own_commands() {
    let env = TestEnv::new().await;
    let options = ["--prefetch=40", "--lanes=1", "--http-addr=127.0.0.1:0"];
    let worker = env.start_worker_with(&options).await;
    let client = Client::of_log(&worker.log()).unwrap();
    let mut lock = place_and_lock_first(&env, 400).await;

    // Each round advances all orders, including the locked one.
    for round in ["first", "second", "third"] {
        advance_all(&env, round, 400).await;
    }

    env.wait_for_count("orders where version = 4", 399).await;
    assert!(worker.log().contains("order_id=0"), "{}", worker.log());
    let locked = client.post("/api/order/0/status/next/");
    assert_eq!((locked.status, client.post("/api/order/1/status/next/").status), (503, 204));
    assert_eq!(env.count("orders where order_id = '0' and version = 1").await, 1);
    lock.execute("rollback").await.unwrap();
    env.wait_for_count("orders where order_id = '0' and version = 4", 1).await;
    let causes = "select caused_by from order_history where order_id = '0' and version > 1
                  order by version";
    assert_eq!(env.ask(causes).await, ["first-0", "second-0", "third-0"]);
    assert_eq!(env.python_client(&["dead-letters", "0"]), "");
    assert_processes_new_orders(&env).await;
    let log = worker.stop_and_read_log().await;
    assert!(!log.contains(logged::DATABASE_OUTAGE), "{log}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_query_without_a_response_times_out() {
    let env = TestEnv::new().await;
    let proxy = TcpProxy::to(host_of(&env.database_url));
    let database = PgDatabase::connect(&proxy.url_for(&env.database_url)).await;
    let database = database.unwrap();
    database.migrate().await.unwrap();
    let mut store = database.store();
    let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();
    transaction.rollback().await.unwrap();

    assert_ne!(proxy.freeze(), 0);
    // While paused, tokio's clock advances to the next timer whenever all tasks are idle.
    tokio::time::pause();
    let silent = store.begin(&BatchLookup::default()).await.map(drop);
    tokio::time::resume();

    let Err(StoreError::Unavailable(reason)) = silent else { panic!("{silent:?}") };
    assert!(reason.contains("no response within"), "{reason}");
    let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();
    transaction.rollback().await.unwrap();
    env.remove().await;
}
