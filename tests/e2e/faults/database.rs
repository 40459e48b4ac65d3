//! A database that ends sessions, has no room, takes no writes, or makes the worker wait.

use order_worker::adapters::postgres::PgDatabase;
use order_worker::service_layer::{BatchLookup, Store, StoreError, StoreTransaction};
use sqlx::Executor;
use uuid::Uuid;

use crate::amqp_client::{AmqpClient, place, publish as publish_orders};
use crate::http_api::client::Client;
use crate::relay::{Relay, host_of};
use crate::test_env::{PATIENT_RELAY, TestEnv, Worker, eventually, variable};
use crate::workload::{Copies, Expected, assert_adds_up, assert_goes_on, publish, subscribe};

/// A role of its own for the worker of one test, as rights and limits are those of roles.
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
        let mut session = env.foreign_session().await;
        env.remove().await;
        session.execute(sqlx::AssertSqlSafe(format!("drop role {name}"))).await.unwrap();
    }
}

/// A worker whose lanes still have no session, as nothing has come yet.
async fn idle_worker(env: &TestEnv) -> Worker {
    let worker = env.start_worker_with(&[PATIENT_RELAY]).await;
    subscribe(env);
    worker
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn sessions_that_are_ended_again_and_again_cost_nothing() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let worker = env.spawn_worker_with(&["--batch-max", "20"]);
    let mut expected = Expected::default();

    for round in 0..15 {
        let handled = env.count("handled_messages").await;
        expected = expected.and(publish(&env, &format!("31{round:02}"), 200));
        eventually("a lane has a session to lose", || async {
            env.count("handled_messages").await > handled
        })
        .await;
        assert!(env.terminate_sessions().await > 0, "in round {round}");
    }

    assert!(worker.log().contains("Database is in trouble"), "{}", worker.log());
    assert_adds_up(&env, &expected, Copies::More).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_database_without_free_connections_is_waited_for() {
    let role = OwnRole::create().await;
    let env = &role.env;
    let worker = idle_worker(env).await;
    role.alter("connection limit 0").await;

    let expected = publish(env, "32", 500);

    eventually("it has been refused", || async { worker.log().contains("too many connections") })
        .await;
    let health = env.program(&["healthcheck"]).output().unwrap();
    assert!(!health.status.success(), "it is not ready");
    assert_eq!(env.count("handled_messages").await, 0);
    role.alter("connection limit -1").await;
    assert_adds_up(env, &expected, Copies::One).await;
    worker.stop().await;
    role.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_database_that_takes_no_writes_is_waited_for() {
    let role = OwnRole::create().await;
    let env = &role.env;
    let worker = idle_worker(env).await;
    role.alter("set default_transaction_read_only = on").await;

    let expected = publish(env, "33", 500);

    eventually("it has been refused", || async { worker.log().contains("read-only") }).await;
    assert_eq!(env.count("handled_messages").await, 0);
    role.alter("reset default_transaction_read_only").await;
    assert_adds_up(env, &expected, Copies::One).await;
    worker.stop().await;
    role.remove().await;
}

/// Has each order that is placed raise an error, as long as a condition holds.
async fn refuse_orders(env: &TestEnv, condition: &str, error: &str, sqlstate: &str) {
    let refuse = format!("raise exception '{error}' using errcode = '{sqlstate}'");
    env.before_each_order(&format!("if {condition} then {refuse}; end if")).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_database_with_a_full_disk_is_waited_for() {
    let env = TestEnv::new().await;
    let worker = idle_worker(&env).await;
    refuse_orders(&env, "true", "No space left on device", "53100").await;

    let expected = publish(&env, "34", 500);

    eventually("it has been refused", || async {
        worker.log().contains("No space left on device")
    })
    .await;
    assert_eq!(env.count("orders").await, 0);
    env.execute("drop trigger passage on orders").await;
    assert_adds_up(&env, &expected, Copies::One).await;
    worker.stop().await;
    env.remove().await;
}

async fn conflicts_are_tried_again(sqlstate: &str) {
    let env = TestEnv::new().await;
    let worker = idle_worker(&env).await;
    refuse_orders(&env, "nextval('passages') <= 30", "conflict", sqlstate).await;

    let expected = publish(&env, "35", 500);

    assert_adds_up(&env, &expected, Copies::One).await;
    let passages: usize = env.ask("select last_value from passages").await[0].parse().unwrap();
    assert!(passages > 30, "{passages}");
    let log = worker.stopped().await;
    assert!(!log.contains("in trouble"), "{log}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn deadlocks_are_tried_again_and_cost_nothing() {
    conflicts_are_tried_again("40P01").await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn serialization_failures_are_tried_again_and_cost_nothing() {
    conflicts_are_tried_again("40001").await;
}

/// Places this many orders and has somebody lock the first of them.
async fn with_a_locked_order(env: &TestEnv, count: usize) -> sqlx::PgConnection {
    let orders: Vec<String> = (0..count).map(|n| place(&n.to_string())).collect();
    publish_orders(env, &orders).await;
    eventually("all are placed", || async { env.count("orders").await == count }).await;
    let mut lock = env.foreign_session().await;
    lock.execute("begin; select from orders where order_id = '0' for update").await.unwrap();
    lock
}

async fn move_all(env: &TestEnv, round: &str, count: usize) {
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
async fn an_order_that_somebody_locks_holds_up_itself_alone() {
    let env = TestEnv::new().await;
    let options = ["--prefetch=40", "--lanes=1", "--http-addr=127.0.0.1:0"];
    let worker = env.start_worker_with(&options).await;
    let client = Client::of_log(&worker.log()).unwrap();
    let mut lock = with_a_locked_order(&env, 400).await;

    // Each round goes over all orders, the locked one among them.
    for round in ["first", "second", "third"] {
        move_all(&env, round, 400).await;
    }

    eventually("all other orders have moved", || async {
        env.count("orders where version = 4").await == 399
    })
    .await;
    assert!(worker.log().contains("order_id=0"), "{}", worker.log());
    let locked = client.post("/api/order/0/status/next/");
    assert_eq!((locked.status, client.post("/api/order/1/status/next/").status), (503, 204));
    assert_eq!(env.count("orders where order_id = '0' and version = 1").await, 1);
    lock.execute("rollback").await.unwrap();
    eventually("the locked order has moved as well", || async {
        env.count("orders where order_id = '0' and version = 4").await == 1
    })
    .await;
    let causes = "select caused_by from order_history where order_id = '0' and version > 1
                  order by version";
    assert_eq!(env.ask(causes).await, ["first-0", "second-0", "third-0"]);
    assert_eq!(env.foreign_client(&["dead-letters", "0"]), "");
    assert_goes_on(&env).await;
    let log = worker.stopped().await;
    assert!(!log.contains("in trouble"), "{log}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_database_that_falls_silent_is_given_up() {
    let env = TestEnv::new().await;
    let relay = Relay::to(host_of(&env.database_url));
    let database = PgDatabase::connect(&relay.in_place_of(&env.database_url)).await;
    let database = database.unwrap();
    database.migrate().await.unwrap();
    let mut store = database.store();
    let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();
    transaction.rollback().await.unwrap();

    assert_ne!(relay.freeze(), 0);
    // The clock goes on by itself, to the next timer, whenever there is nothing else to do.
    tokio::time::pause();
    let silent = store.begin(&BatchLookup::default()).await.map(drop);
    tokio::time::resume();

    let Err(StoreError::Unavailable(reason)) = silent else { panic!("{silent:?}") };
    assert!(reason.contains("no response within"), "{reason}");
    let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();
    transaction.rollback().await.unwrap();
    env.remove().await;
}
