//! Servers that are gone for a while, under load. Private servers are really stopped; others, which
//! the tests have no right to stop, are cut off at a relay.

use std::io::{Read, Seek};
use std::process::Command;
use std::time::Duration;

use crate::relay::{Relay, host_of};
use crate::test_env::{TestEnv, eventually, variable};
use crate::workload::{Copies, assert_adds_up, publish, subscribe};

const OUTAGE: Duration = Duration::from_secs(10);

/// The two ways to take a server away.
enum Outage {
    Stopped { ctl: String, server: &'static str },
    Cut(Relay),
}

impl Outage {
    /// Of the server behind an address; with the address that the worker has to use.
    fn of(server: &'static str, url: &str) -> (Self, String) {
        #[expect(clippy::disallowed_methods, reason = "whose the servers are is no setting")]
        match std::env::var("ORDER_WORKER_TEST_SERVERS_CTL") {
            Ok(ctl) if controls(&ctl, server) => (Self::Stopped { ctl, server }, url.to_owned()),
            _ => {
                let relay = Relay::to(host_of(url));
                let url = relay.in_place_of(url);
                (Self::Cut(relay), url)
            }
        }
    }

    fn begin(&self) {
        match self {
            Self::Stopped { ctl, server } => drop(control(ctl, server, &["stop"])),
            Self::Cut(relay) => relay.cut(),
        }
    }

    fn end(&self) {
        match self {
            Self::Stopped { ctl, server } => drop(control(ctl, server, &["start"])),
            Self::Cut(relay) => relay.mend(),
        }
    }
}

/// Whether the server is one that may be controlled.
pub fn controls(ctl: &str, server: &str) -> bool {
    Command::new(ctl).args([server, "status"]).output().unwrap().status.success()
}

/// Has `scripts/server-ctl` do something; answers what it printed.
pub fn control(ctl: &str, server: &str, action: &[&str]) -> String {
    // To a file: the server that is started would keep a pipe open.
    let mut out = tempfile::tempfile().unwrap();
    let mut command = Command::new(ctl);
    let status = command.arg(server).args(action).stdout(out.try_clone().unwrap()).status();
    assert!(status.unwrap().success(), "{server} {action:?}");
    let mut printed = String::new();
    out.rewind().unwrap();
    out.read_to_string(&mut printed).unwrap();
    printed
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_broker_that_is_gone_for_ten_seconds_costs_nothing() {
    let (outage, amqp_url) = Outage::of("rabbitmq", &variable("AMQP_URL"));
    let env = TestEnv::alone_at(&amqp_url, &variable("DATABASE_URL")).await;
    let says = ["Commands cannot be consumed", "consumed again"];
    survives(&env, &outage, 0, says).await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_database_that_is_gone_for_ten_seconds_costs_nothing() {
    let (outage, database_url) = Outage::of("postgres", &variable("DATABASE_URL"));
    let env = TestEnv::alone_at(&variable("AMQP_URL"), &database_url).await;
    let says = ["Database is in trouble", "Database answers again"];
    // The backlog may be done before the database is gone, and idle lanes do not ask for it.
    survives(&env, &outage, 100, says).await;
    env.remove().await;
}

/// An outage while a backlog is worked off: no crash, no dead letter too many, and the worker goes
/// on by itself.
async fn survives(
    env: &TestEnv,
    outage: &Outage,
    messages_meanwhile: usize,
    [trouble, relief]: [&str; 2],
) {
    let mut worker = env.start_worker().await;
    subscribe(env);
    worker.stop().await;
    let mut expected = publish(env, "4", 6_000);
    worker = env.spawn_worker();
    eventually("the worker is at work", || async { env.count("handled_messages").await > 300 })
        .await;

    outage.begin();
    if messages_meanwhile > 0 {
        expected = expected.and(publish(env, "5", messages_meanwhile));
    }
    tokio::time::sleep(OUTAGE).await;
    assert!(worker.is_running(), "{}", worker.log());
    assert!(worker.log().contains(trouble), "{}", worker.log());
    let health = env.program(&["healthcheck"]).output().unwrap();
    assert!(!health.status.success(), "it is not ready");
    outage.end();

    eventually("the worker says that it goes on", || async { worker.log().contains(relief) }).await;
    assert_adds_up(env, &expected, Copies::More).await;
    worker.stop().await;
}
