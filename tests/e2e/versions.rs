//! Upgrade and rollback under load: a worker on tables that the next version has migrated.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::amqp_client::place;
use crate::http_api::{Client, Request};
use crate::ordering::{ORDERS, WITHOUT_HEADER, assert_in_order, publish};
use crate::test_env::{TestEnv, eventually, printed, program};
use crate::workload::subscribe;

const HTTP: &str = "--http-addr=127.0.0.1:0";

const NEWER_SCHEMA: &str = "A newer program has migrated the database";

/// What `order-worker migrate` of the next version could do: additions, and the record of them.
const NEXT_MIGRATION: &str = "
    begin;
    create table vouchers (code text primary key);
    alter table orders add column voucher text;
    alter table order_items add column discount integer not null default 0;
    alter table order_history add column changed_by text;
    alter table handled_messages add column source text not null default '';
    alter table outbox add column priority integer not null default 0;
    alter table dead_letters add column priority integer not null default 0;
    create index orders_by_voucher on orders (voucher);
    insert into _sqlx_migrations (version, description, success, checksum, execution_time)
    select 9001, 'vouchers', success, checksum, 0 from _sqlx_migrations where version = 1;
    commit";

/// As a breaking migration of the next major version does.
const REQUIRE_NEXT: &str = "insert into schema_compatibility (minimum_version) values (9001)";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn workers_go_on_and_restart_while_the_next_version_migrates() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let running = env.start_worker_with(&[HTTP]).await;
    let mut publisher = publish(&env, WITHOUT_HEADER);
    env.wait_for_count("orders", ORDERS).await;

    env.execute(NEXT_MIGRATION).await;

    let client = Client::of_log(&running.log()).unwrap();
    // More than one result of the check, which is cached.
    for _ in 0..3 {
        let handled = env.count("handled_messages").await;
        eventually("commands are processed", || async {
            env.count("handled_messages").await > handled
        })
        .await;
        assert_eq!(client.get("/health/ready").status, 200);
    }
    assert_eq!(running.log().matches(NEWER_SCHEMA).count(), 1, "{}", running.log());
    // A rollback: workers of this version start on the tables, and the one that ran ends.
    let restarted = env.start_worker_with(&[]).await;
    running.kill();
    let without_migrating = env.start_worker_with(&["--migrate=false"]).await;
    assert!(publisher.is_running(), "the publisher goes on meanwhile");
    publisher.printed();

    assert_in_order(&env).await;
    for worker in [restarted, without_migrating] {
        let log = worker.stop_and_read_log().await;
        assert_eq!(log.matches(NEWER_SCHEMA).count(), 1, "{log}");
    }
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn an_older_program_reports_newer_tables_and_changes_nothing() {
    let env = TestEnv::new().await;
    env.prepare();
    env.execute(NEXT_MIGRATION).await;
    let migrations = "select version from _sqlx_migrations order by version";
    let before = env.ask(migrations).await;

    let said = printed(&env.program(&["migrate"]).output().unwrap());

    assert!(said.contains("9001") && said.contains("can use it"), "{said}");
    assert_eq!(env.ask(migrations).await, before);
    printed(&env.program(&["orders", "list"]).output().unwrap());
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_program_that_is_too_old_for_the_tables_refuses_them() {
    let env = TestEnv::new().await;
    let running = env.start_worker_with(&[HTTP]).await;
    env.execute(NEXT_MIGRATION).await;
    env.execute(REQUIRE_NEXT).await;

    for command in [&["migrate"][..], &["run"], &["run", "--migrate=false"], &["orders", "list"]] {
        let refused = env.program(command).output().unwrap();
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{command:?}");
        assert!(error.contains("schema version 9001"), "{command:?}: {error}");
        assert!(error.contains("use a newer order-worker"), "{command:?}: {error}");
    }

    let client = Client::of_log(&running.log()).unwrap();
    eventually("the running worker is not ready", || async {
        let ready = client.get("/health/ready");
        ready.status == 503 && ready.body.contains("the tables need a newer version of the worker")
    })
    .await;
    running.stop().await;
    env.remove().await;
}

/// A worker on the SQLite file in a folder; killed when dropped.
struct EmbeddedWorker {
    process: Child,
    client: Client,
}

impl EmbeddedWorker {
    async fn start(folder: &Path) -> Self {
        let log = folder.join("worker.log");
        let mut command = program(&["run", HTTP], folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let process = command.spawn().unwrap();
        let client = || Client::of_log(&std::fs::read_to_string(&log).unwrap());
        eventually("the worker is ready", || async {
            client().is_some_and(|client| client.get("/health/ready").status == 200)
        })
        .await;
        Self { process, client: client().unwrap() }
    }

    /// Places an order; the worker must be ready before and after.
    fn assert_works(&self, order_id: &str) {
        let order = Request::post("/api/orders").json(place(order_id));
        assert_eq!(self.client.get("/health/ready").status, 200);
        assert_eq!(self.client.send(&order).status, 201);
        assert_eq!(self.client.get(&format!("/api/orders/{order_id}")).status, 200);
    }
}

impl Drop for EmbeddedWorker {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_on_a_sqlite_file_goes_on_and_restarts_on_newer_tables() {
    let folder = tempfile::tempdir().unwrap();
    let running = EmbeddedWorker::start(folder.path()).await;
    running.assert_works("1");

    let url = format!("sqlite:{}", folder.path().join("order-worker.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(NEXT_MIGRATION)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    running.assert_works("2");
    drop(running);
    let restarted = EmbeddedWorker::start(folder.path()).await;
    restarted.assert_works("3");
    let log = std::fs::read_to_string(folder.path().join("worker.log")).unwrap();
    assert_eq!(log.matches(NEWER_SCHEMA).count(), 1, "{log}");
}
