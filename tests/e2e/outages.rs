//! Outages of a server under load. Private servers are stopped; other servers, which the tests must not
//! stop, are cut off by a TCP proxy.

use std::io::{Read, Seek};
use std::process::Command;
use std::time::Duration;

use crate::tcp_proxy::{TcpProxy, host_of};
use crate::test_env::{TestEnv, eventually, logged, variable};
use crate::workload::{Copies, assert_consistent, publish, subscribe};

const OUTAGE: Duration = Duration::from_secs(10);

/// How to make a server unavailable.
enum Outage {
    Stopped { ctl: String, server: &'static str },
    Cut(TcpProxy),
}

impl Outage {
    /// An outage of the server at this URL, and the URL that the worker has to use.
    fn of(server: &'static str, url: &str) -> (Self, String) {
        #[expect(
            clippy::disallowed_methods,
            reason = "whether the tests own the servers is not a setting"
        )]
        match std::env::var("ORDER_WORKER_TEST_SERVERS_CTL") {
            Ok(ctl) if controls(&ctl, server) => (Self::Stopped { ctl, server }, url.to_owned()),
            _ => {
                let proxy = TcpProxy::to(host_of(url));
                let url = proxy.url_for(url);
                (Self::Cut(proxy), url)
            }
        }
    }

    fn begin(&self) {
        match self {
            Self::Stopped { ctl, server } => drop(control(ctl, server, &["stop"])),
            Self::Cut(proxy) => proxy.cut(),
        }
    }

    fn end(&self) {
        match self {
            Self::Stopped { ctl, server } => drop(control(ctl, server, &["start"])),
            Self::Cut(proxy) => proxy.restore(),
        }
    }
}

/// Whether `scripts/server-ctl` controls this server.
fn controls(ctl: &str, server: &str) -> bool {
    Command::new(ctl).args([server, "status"]).output().unwrap().status.success()
}

/// The path of `scripts/server-ctl`, if it controls the broker; else reports that the test is skipped.
pub fn controlled_broker() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "whether the tests own the servers is not a setting"
    )]
    let ctl = std::env::var("ORDER_WORKER_TEST_SERVERS_CTL").ok();
    let ctl = ctl.filter(|ctl| controls(ctl, "rabbitmq"));
    if ctl.is_none() {
        eprintln!("skipped: the test needs a private broker that it can control");
    }
    ctl
}

/// Runs `scripts/server-ctl`; returns its standard output.
pub fn control(ctl: &str, server: &str, action: &[&str]) -> String {
    // Into a file: a server that it starts would keep a pipe open.
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
async fn a_broker_outage_of_ten_seconds_loses_nothing() {
    let (outage, amqp_url) = Outage::of("rabbitmq", &variable("AMQP_URL"));
    let env = TestEnv::exclusive_at(&amqp_url, &variable("DATABASE_URL")).await;
    let logged = [logged::COMMANDS_STOPPED, logged::COMMANDS_RESUMED];
    assert_survives(&env, &outage, 0, logged).await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_database_outage_of_ten_seconds_loses_nothing() {
    let (outage, database_url) = Outage::of("postgres", &variable("DATABASE_URL"));
    let env = TestEnv::exclusive_at(&variable("AMQP_URL"), &database_url).await;
    let logged = [logged::DATABASE_OUTAGE, logged::DATABASE_BACK];
    // The backlog may be processed before the outage begins, and an idle lane does not notice one.
    assert_survives(&env, &outage, 100, logged).await;
    env.remove().await;
}

/// An outage while a backlog is processed: the worker does not crash, makes no additional dead letters,
/// and resumes by itself.
async fn assert_survives(
    env: &TestEnv,
    outage: &Outage,
    messages_meanwhile: usize,
    [outage_logged, recovery_logged]: [&str; 2],
) {
    let mut worker = env.start_worker().await;
    subscribe(env);
    worker.stop().await;
    let mut expected = publish(env, "4", 6_000);
    worker = env.spawn_worker();
    eventually("300 messages are handled", || async { env.count("handled_messages").await > 300 })
        .await;

    outage.begin();
    if messages_meanwhile > 0 {
        expected = expected.and(publish(env, "5", messages_meanwhile));
    }
    tokio::time::sleep(OUTAGE).await;
    assert!(worker.is_running(), "{}", worker.log());
    assert!(worker.log().contains(outage_logged), "{}", worker.log());
    assert!(!env.is_ready());
    outage.end();

    worker.wait_for_log(recovery_logged).await;
    assert_consistent(env, &expected, Copies::Any).await;
    worker.stop().await;
}
