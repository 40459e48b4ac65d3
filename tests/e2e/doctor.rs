//! `doctor` and the metrics of partitions and retries, on real servers.

use std::process::Command;

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ExchangeDeleteOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::amqp_client::{AmqpClient, orders, place, publish_orders};
use crate::outages::{control, controlled_broker};
use crate::test_env::{TestEnv, Worker, eventually, printed, variable};

/// Exit code and findings.
struct Examined {
    code: Option<i32>,
    report: Value,
}

fn examine(command: &mut Command) -> Examined {
    let output = command.args(["doctor", "--json"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    Examined { code: output.status.code(), report }
}

fn doctor(env: &TestEnv) -> Examined {
    examine(&mut env.program(&[]))
}

impl Examined {
    /// The findings with this result: what was checked, and the whole of it as text.
    fn with_result(&self, result: &str) -> Vec<(String, String)> {
        let findings = self.report["findings"].as_array().unwrap();
        let found = findings.iter().filter(|finding| finding["result"] == result);
        found.map(|it| (it["check"].as_str().unwrap().to_owned(), it.to_string())).collect()
    }

    #[track_caller]
    fn assert_error(&self, check: &str, text: &str) {
        let errors = self.with_result("error");
        let is_it = |(name, all): &(String, String)| name.contains(check) && all.contains(text);
        assert!(errors.iter().any(is_it), "no error {check:?} with {text:?}: {:#}", self.report);
        assert_eq!(self.code, Some(1));
    }
}

/// A user of the broker, deleted at the end. Only on a broker that the tests control.
struct LimitedUser<'a> {
    ctl: &'a str,
    name: &'static str,
}

impl<'a> LimitedUser<'a> {
    fn add(ctl: &'a str, name: &'static str, [configure, write, read]: [&str; 3]) -> Self {
        control(ctl, "rabbitmq", &["ctl", "add_user", name, "secret"]);
        let permissions = ["ctl", "set_permissions", name, configure, write, read];
        control(ctl, "rabbitmq", &permissions);
        Self { ctl, name }
    }

    fn url(&self) -> String {
        let url = variable("AMQP_URL");
        let (_, host) = url.rsplit_once('@').unwrap_or_else(|| url.split_once("//").unwrap());
        format!("amqp://{}:secret@{host}", self.name)
    }
}

impl Drop for LimitedUser<'_> {
    fn drop(&mut self) {
        let deleted =
            Command::new(self.ctl).args(["rabbitmq", "ctl", "delete_user", self.name]).status();
        assert!(deleted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_doctor_finds_no_errors_with_running_workers() {
    for partitions in ["1", "4"] {
        let env = TestEnv::collecting().await.with("PARTITIONS", partitions);
        let worker = env.start_worker().await;
        // The collector and the relay start after the consumer of commands.
        eventually("all parts of the worker have started", || async {
            let ok = doctor(&env).with_result("ok");
            ok.iter().any(|(check, all)| check == "relay" && !all.contains("no session"))
        })
        .await;

        let examined = doctor(&env);

        assert_eq!(examined.with_result("error"), [], "{:#}", examined.report);
        assert_eq!(examined.code, Some(0));
        // Before RabbitMQ 4.0, partitions are not balanced.
        let warnings = examined.with_result("warning");
        assert!(warnings.iter().all(|(check, _)| check == "broker"), "{:#}", examined.report);
        let people = printed(&env.program(&["doctor"]).output().unwrap());
        assert!(people.contains("0 errors"), "{people}");
        worker.stop().await;
        env.remove().await;
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_doctor_names_a_different_queue_a_deleted_one_and_absent_workers() {
    let env = TestEnv::new().await;
    env.prepare();
    let amqp = AmqpClient::on(&env).await;
    let queue = |attempt| format!("{}.retry.{attempt}", env.name_of("COMMANDS_QUEUE"));
    amqp.delete_queue(&queue(1)).await;
    amqp.delete_queue(&queue(2)).await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let other = queue(2);
    amqp.channel().queue_declare(other.into(), durable, FieldTable::default()).await.unwrap();
    publish_orders(&env, &orders(0..3)).await;
    amqp.wait_for_depth(&env.name_of("COMMANDS_QUEUE"), 3).await;

    let examined = doctor(&env);

    examined.assert_error(&queue(1), "topology apply");
    examined.assert_error(&queue(2), "inequivalent arg");
    examined.assert_error(&env.name_of("COMMANDS_QUEUE"), "3 messages are ready");
    assert_eq!(examined.report["errors"], 3, "{:#}", examined.report);
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_doctor_examines_before_the_first_start() {
    let env = TestEnv::new().await;

    let examined = doctor(&env);

    examined.assert_error("topology", "none of the");
    examined.assert_error("schema", "order-worker migrate");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_doctor_names_a_read_only_database_and_missing_privileges() {
    let env = TestEnv::new().await;
    env.prepare();
    let read_only = format!("{}&options[default_transaction_read_only]=on", env.database_url);
    let limited = format!("{}_limited", env.name_of("COMMANDS_QUEUE").replace(".commands", ""));
    let schema = env.name_of("COMMANDS_QUEUE").replace(".commands", "");
    env.execute(&format!(
        "create role {limited} nosuperuser;
         grant usage on schema {schema} to {limited};
         grant select on all tables in schema {schema} to {limited};
         grant insert, update on orders to {limited}"
    ))
    .await;
    let role = format!("{}&options[role]={limited}", env.database_url);

    let standby = examine(env.program(&[]).env("DATABASE_URL", read_only));
    let unprivileged = examine(env.program(&[]).env("DATABASE_URL", role));

    standby.assert_error("database", "read_only");
    unprivileged.assert_error("privileges", "insert on outbox");
    unprivileged.assert_error("privileges", "usage on order_numbers");
    let privileges = unprivileged.with_result("error").into_iter().find(|it| it.0 == "privileges");
    assert!(!privileges.unwrap().1.contains("insert on orders"), "{:#}", unprivileged.report);
    env.execute(&format!("drop owned by {limited}; drop role {limited}")).await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_doctor_names_servers_that_cannot_be_reached() {
    let env = TestEnv::new().await;

    let unreachable = examine(
        env.program(&[])
            .env("AMQP_URL", "amqp://user:secret@127.0.0.1:1/%2f")
            .env("DATABASE_URL", "postgres://user:secret@127.0.0.1:1/orders"),
    );

    unreachable.assert_error("broker", "Connection refused");
    unreachable.assert_error("database", "Connection refused");
    assert!(!unreachable.report.to_string().contains("secret"), "{:#}", unreachable.report);
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_doctor_names_refused_permissions_and_changes_nothing() {
    let Some(ctl) = controlled_broker() else { return };
    let env = TestEnv::collecting().await.with("PARTITIONS", "2");
    env.prepare();
    publish_orders(&env, &orders(0..5)).await;
    let nothing = LimitedUser::add(&ctl, "doctor-without-permissions", ["^$"; 3]);
    let reader = LimitedUser::add(&ctl, "doctor-that-reads", [".*", "^$", ".*"]);

    let of_nothing = examine(env.program(&[]).env("AMQP_URL", nothing.url()));
    let of_reader = examine(env.program(&[]).env("AMQP_URL", reader.url()));

    let commands = format!("{}.1of2", env.name_of("COMMANDS_QUEUE"));
    of_nothing.assert_error(&format!("read permission on queue {commands}"), "ACCESS_REFUSED");
    of_nothing.assert_error(&format!("queue {commands}"), "configure");
    of_reader.assert_error("write permission on exchange amq.default", "set_permissions");
    let events = format!("write permission on exchange {}", env.name_of("EVENTS_EXCHANGE"));
    of_reader.assert_error(&events, "ACCESS_REFUSED");
    assert!(!of_reader.report.to_string().contains("read permission"), "{:#}", of_reader.report);
    let shown = printed(&env.program(&["topology", "show", "--json"]).output().unwrap());
    let queues: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let ready: u64 = queues.iter().map(|queue| queue["ready"].as_u64().unwrap()).sum();
    let consumers: u64 = queues.iter().map(|queue| queue["consumers"].as_u64().unwrap()).sum();
    assert_eq!((ready, consumers), (5, 0), "{shown}");
    env.remove().await;
}

/// The type of the hash exchange is unknown until this is dropped, as without its plugin.
struct DisabledPlugin<'a>(&'a str);

impl<'a> DisabledPlugin<'a> {
    const KIND: &'static str = "exchange, <<\"x-consistent-hash\">>";

    fn on(ctl: &'a str) -> Self {
        let unregister = format!("rabbit_registry:unregister({}).", Self::KIND);
        control(ctl, "rabbitmq", &["ctl", "eval", &unregister]);
        Self(ctl)
    }
}

impl Drop for DisabledPlugin<'_> {
    fn drop(&mut self) {
        let module = "rabbit_exchange_type_consistent_hash";
        let register = format!("rabbit_registry:register({}, {module}).", Self::KIND);
        let done = Command::new(self.0).args(["rabbitmq", "ctl", "eval", &register]).status();
        assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_doctor_names_the_plugin_that_partitions_need() {
    let Some(ctl) = controlled_broker() else { return };
    let (amqp_url, database_url) = (variable("AMQP_URL"), variable("DATABASE_URL"));
    let env = TestEnv::exclusive_at(&amqp_url, &database_url).await.with("PARTITIONS", "2");
    env.prepare();
    let disabled = DisabledPlugin::on(&ctl);

    let examined = doctor(&env);

    drop(disabled);
    examined.assert_error("plugin", "rabbitmq-plugins enable rabbitmq_consistent_hash_exchange");
    examined.assert_error("exchange", "PARTITIONS needs a plugin");
    let matching = examined.with_result("unknown");
    assert!(!matching.iter().any(|(check, _)| check == "topology"), "{:#}", examined.report);
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_repartition_that_is_due_is_named() {
    let env = TestEnv::new().await;
    env.prepare();

    let examined = examine(env.program(&[]).env("PARTITIONS", "4"));

    examined.assert_error(".partitions", "topology repartition");
    env.remove().await;
}

async fn start_with_metrics(env: &TestEnv) -> (Worker, String) {
    let worker = env.start_worker_with(&["--http-addr", "127.0.0.1:0"]).await;
    let log = worker.log();
    let (_, address) = log.split_once("The console is at http://").expect("the address is logged");
    let address = address.split('/').next().unwrap().to_owned();
    (worker, address)
}

/// A sample of the worker's metrics, such as `name{label="value"}`.
async fn sample(address: &str, name: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).await.unwrap();
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")))?;
    line.rsplit_once(' ').map(|(_, value)| value.to_owned())
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_shows_what_it_receives_from_each_partition() {
    let env = TestEnv::new().await.with("PARTITIONS", "2");
    let (worker, address) = start_with_metrics(&env).await;
    let amqp = AmqpClient::on(&env).await;
    let second = format!("{}.1of2", env.name_of("COMMANDS_QUEUE"));

    // Without the header: the worker sends it to the partition of its order.
    let body = place("7");
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default().with_type("PlaceOrder".into());
    let sent = amqp.channel().basic_publish(
        "".into(),
        second.into(),
        options,
        body.as_bytes(),
        properties,
    );
    sent.await.unwrap().await.unwrap();

    env.wait_for_count("orders", 1).await;
    let received = "order_worker_partition_messages_received_total";
    let second = sample(&address, &format!("{received}{{partition=\"1\"}}")).await;
    assert!(second.is_some_and(|count| count != "0"));
    for name in ["order_worker_partition_messages_ready", "order_worker_partition_consumers"] {
        eventually(name, || async {
            let expected = if name.ends_with("ready") { "0" } else { "1" };
            let value = sample(&address, &format!("{name}{{partition=\"1\"}}")).await;
            value.as_deref() == Some(expected)
        })
        .await;
    }
    worker.stop().await;
    env.remove().await;
}

/// A command for an order that does not exist, to the first of two partitions.
async fn cancel_unknown_order(env: &TestEnv, amqp: &AmqpClient, order_id: &str) {
    let mut headers = FieldTable::default();
    headers.insert("order-id".into(), AMQPValue::LongString(order_id.into()));
    let properties =
        BasicProperties::default().with_headers(headers).with_type("CancelOrder".into());
    let body = format!("{{\"order_id\": \"{order_id}\"}}");
    let partition = format!("{}.0of2", env.name_of("COMMANDS_QUEUE"));
    let options = BasicPublishOptions::default();
    let sent = amqp.channel().basic_publish(
        "".into(),
        partition.into(),
        options,
        body.as_bytes(),
        properties,
    );
    sent.await.unwrap().await.unwrap();
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn retries_that_cannot_return_are_visible_in_the_metrics_and_to_the_doctor() {
    const SENT: &str = "order_worker_retries_total{reason=\"order_not_found\"}";
    const RETURNED: &str = "order_worker_retries_returned_total";
    let env = TestEnv::new().await.with("PARTITIONS", "2");
    let (worker, address) = start_with_metrics(&env).await;
    let amqp = AmqpClient::on(&env).await;
    let has =
        async |name: &str, value: &str| sample(&address, name).await.as_deref() == Some(value);
    cancel_unknown_order(&env, &amqp, "7").await;
    eventually("all three retries come back", || async {
        has(SENT, "3").await && has(RETURNED, "3").await
    })
    .await;
    let exchange = format!("{}.of2", env.name_of("COMMANDS_QUEUE"));
    let name = exchange.as_str().into();
    amqp.channel().exchange_delete(name, ExchangeDeleteOptions::default()).await.unwrap();

    cancel_unknown_order(&env, &amqp, "8").await;

    eventually("one more goes into a retry queue", || async { has(SENT, "4").await }).await;
    let retries = format!("{exchange}.retry.1");
    amqp.wait_for_depth(&retries, 0).await;
    doctor(&env).assert_error(&exchange, "topology apply");
    assert!(has(RETURNED, "3").await, "it cannot come back");
    worker.stop().await;
    env.remove().await;
}
