//! Passwords that change while the worker runs.

use std::path::PathBuf;

use crate::amqp_client::{place, publish_orders};
use crate::outages::{control, controlled_broker};
use crate::tcp_proxy::{TcpProxy, host_of};
use crate::test_env::{TestEnv, eventually, logged, variable};

/// A user or role of one test, with passwords that no log may contain.
struct Account {
    name: String,
    url: PathBuf,
    folder: tempfile::TempDir,
}

const PASSWORDS: [&str; 2] = ["hunter-one", "hunter-two"];

impl Account {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("rotated_{}", uuid::Uuid::now_v7().simple());
        Self { name, url: folder.path().join("url"), folder }
    }

    /// Replaces the file, as an orchestrator does: never with half of its content.
    fn write(&self, url: &str, password: &str) {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (_, place) = rest.rsplit_once('@').unwrap();
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{scheme}://{}:{password}@{place}\n", self.name)).unwrap();
        std::fs::rename(new, &self.url).unwrap();
    }
}

fn assert_no_password(log: &str) {
    assert!(PASSWORDS.iter().all(|password| !log.contains(password)), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_broker_password_that_changes_during_an_outage_is_logged_and_read_from_its_file() {
    let Some(ctl) = controlled_broker() else { return };
    let rabbitmqctl =
        |arguments: &[&str]| control(&ctl, "rabbitmq", &[&["ctl", "-q"], arguments].concat());
    let account = Account::new();
    rabbitmqctl(&["add_user", &account.name, PASSWORDS[0]]);
    rabbitmqctl(&["set_permissions", &account.name, ".*", ".*", ".*"]);
    let proxy = TcpProxy::to(host_of(&variable("AMQP_URL")));
    let url = proxy.url_for(&variable("AMQP_URL"));
    account.write(&url, PASSWORDS[0]);
    let env = TestEnv::new().await.with("AMQP_URL_FILE", account.url.to_str().unwrap());
    let worker = env.start_worker_with(&["--amqp-url="]).await;

    proxy.cut();
    worker.wait_for_log(logged::COMMANDS_STOPPED).await;
    rabbitmqctl(&["change_password", &account.name, PASSWORDS[1]]);
    proxy.restore();
    worker.wait_for_log("ACCESS_REFUSED").await;
    assert!(worker.log().contains(logged::COMMANDS_REASON), "{}", worker.log());

    account.write(&url, PASSWORDS[1]);
    worker.wait_for_log(logged::COMMANDS_RESUMED).await;
    publish_orders(&env, &[place("7")]).await;
    eventually("the order is placed", || async { env.count("orders").await == 1 }).await;
    let log = worker.stop_and_read_log().await;
    assert!(log.contains(logged::URL_READ_AGAIN), "{log}");
    assert_no_password(&log);
    rabbitmqctl(&["delete_user", &account.name]);
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_database_password_that_changes_during_an_outage_is_logged_and_read_from_its_file() {
    let account = Account::new();
    let role = &account.name;
    let env = TestEnv::new().await;
    env.execute(&format!("create role {role} superuser login password '{}'", PASSWORDS[0])).await;
    let proxy = TcpProxy::to(host_of(&variable("DATABASE_URL")));
    let url = proxy.url_for(&env.database_url);
    account.write(&url, PASSWORDS[0]);
    let env = env.with("DATABASE_URL_FILE", account.url.to_str().unwrap());
    let worker = env.start_worker_with(&["--database-url="]).await;

    proxy.cut();
    publish_orders(&env, &[place("7")]).await;
    worker.wait_for_log(logged::DATABASE_OUTAGE).await;
    env.execute(&format!("alter role {role} password '{}'", PASSWORDS[1])).await;
    proxy.restore();
    worker.wait_for_log(logged::DATABASE_REASON).await;
    worker.wait_for_log("password authentication failed").await;

    account.write(&url, PASSWORDS[1]);
    worker.wait_for_log(logged::DATABASE_BACK).await;
    eventually("the order is placed", || async { env.count("orders").await == 1 }).await;
    let log = worker.stop_and_read_log().await;
    assert!(log.contains(logged::URL_READ_AGAIN), "{log}");
    assert_no_password(&log);
    env.execute(&format!("drop owned by {role} cascade; drop role {role}")).await;
    env.remove().await;
}
