//! A PostgreSQL primary fails, and its synchronous standby is promoted under load.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::http_api::Client;
use crate::ordering::{ORDERS, WITHOUT_HEADER, assert_in_order, publish};
use crate::test_env::{Script, TestEnv, Worker, eventually, printed};
use crate::workload::subscribe;

const HTTP: &str = "--http-addr=127.0.0.1:0";

/// After the promotion, everything works again within this time.
const SOON: Duration = Duration::from_secs(10);

/// A private primary and its synchronous standby, controlled by `scripts/postgres-pair`.
struct Pair {
    folder: String,
    /// Of the server that is the primary first, and of its standby.
    urls: [String; 2],
}

impl Pair {
    /// `None`, with a message, if the tests may not start servers.
    async fn start() -> Option<Self> {
        let mut command = Command::new(SCRIPT);
        let output = command.arg("create").stderr(Stdio::inherit()).output().unwrap();
        if output.status.code() == Some(3) {
            eprintln!("skipped: the test needs private servers");
            return None;
        }
        let printed = printed(&output);
        let [folder, primary, standby] =
            printed.lines().map(ToOwned::to_owned).collect::<Vec<_>>().try_into().unwrap();
        let pair = Self { folder, urls: [primary, standby] };
        pair.wait_for_synchronous_replication().await;
        Some(pair)
    }

    async fn wait_for_synchronous_replication(&self) {
        let env = TestEnv::with_direct_url(&self.urls[0], &self.urls[0]).await;
        env.wait_for_count("pg_stat_replication where sync_state = 'sync'", 1).await;
        env.remove().await;
    }

    /// The address of both, for workers.
    fn url(&self) -> String {
        let (primary, database) = self.urls[0].rsplit_once('/').unwrap();
        let (_, standby) = self.urls[1].rsplit_once('@').unwrap();
        let (standby, _) = standby.rsplit_once('/').unwrap();
        format!("{primary},{standby}/{database}?target_session_attrs=read-write")
    }

    fn control(&self, action: &[&str]) {
        assert!(Command::new(SCRIPT).arg(&self.folder).args(action).status().unwrap().success());
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // with-servers removes what is left.
        let _ = Command::new(SCRIPT).args([&self.folder, "remove"]).status();
    }
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres-pair");

/// A worker on a pair that sets statuses, one after the other, of 60 orders.
async fn loaded_worker(env: &TestEnv) -> (Worker, Client, Script) {
    env.prepare();
    subscribe(env);
    let worker = env.start_worker_with(&[HTTP]).await;
    let client = Client::of_log(&worker.log()).unwrap();
    let publisher = publish(env, WITHOUT_HEADER);
    env.wait_for_count("orders", ORDERS).await;
    assert!(reads_succeed(&client), "before the failover");
    (worker, client, publisher)
}

/// Uses the pools for readers and for dead letters.
fn reads_succeed(client: &Client) -> bool {
    client.get("/api/orders/o-1").status == 200 && client.get("/dead-letters").status == 200
}

/// Reads and commands over HTTP are processed within ten seconds.
async fn assert_serves_soon(client: &Client) {
    let began = Instant::now();
    eventually("reads succeed", || async { reads_succeed(client) }).await;
    // Not one that changes an order: the publisher's commands are counted.
    let next = "/api/order/unknown/status/next/";
    eventually("a command is processed", || async { client.post(next).status == 404 }).await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_killed_primary_is_replaced_by_its_standby_under_load() {
    let Some(pair) = Pair::start().await else { return };
    let mut env = TestEnv::with_direct_url(&pair.url(), &pair.urls[0]).await;
    let (worker, client, mut publisher) = loaded_worker(&env).await;

    pair.control(&["kill", "1"]);
    pair.control(&["promote"]);

    assert_serves_soon(&client).await;
    let began = Instant::now();
    printed(&env.program(&["orders", "list"]).output().unwrap());
    assert!(began.elapsed() < SOON, "the command line connects after {:?}", began.elapsed());
    assert!(publisher.is_running(), "the publisher goes on meanwhile");
    publisher.printed();
    env.use_direct_url(&pair.urls[1]);
    assert_in_order(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn sessions_that_stay_open_on_a_former_primary_are_given_up() {
    let Some(pair) = Pair::start().await else { return };
    let mut env = TestEnv::with_direct_url(&pair.url(), &pair.urls[0]).await;
    let (worker, client, mut publisher) = loaded_worker(&env).await;

    // A switchover: the old primary takes no more writes, and all it has written is on the standby.
    pair.control(&["read-only", "1"]);
    eventually("new transactions are read-only", || async {
        env.ask("select current_setting('transaction_read_only')").await == ["on"]
    })
    .await;
    let read_only_since = env.ask("select clock_timestamp()").await.remove(0);
    eventually("transactions that may write have ended", || async {
        env.sessions(&format!("xact_start < '{read_only_since}'")).await == 0
    })
    .await;
    assert!(env.sessions("true").await > 0, "the sessions stay open");
    pair.control(&["promote"]);
    let promoted = Instant::now();

    assert_serves_soon(&client).await;
    eventually("no session is left on the former primary", || async {
        reads_succeed(&client) && env.sessions("true").await == 0
    })
    .await;
    assert!(promoted.elapsed() < SOON, "{:?}", promoted.elapsed());
    assert!(publisher.is_running(), "the publisher goes on meanwhile");
    publisher.printed();
    env.use_direct_url(&pair.urls[1]);
    assert!(env.sessions("true").await > 0);
    assert_in_order(&env).await;
    worker.stop().await;
    env.remove().await;
}
