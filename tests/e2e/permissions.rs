//! The recipes of `deploy/` for least privilege: applied as they are, then each subcommand runs with the
//! rights of its user.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::Value;

use crate::amqp_client::place;
use crate::outages::controlled_broker;
use crate::test_env::{TestEnv, Worker, eventually, printed};

const PASSWORD: &str = "only-for-this-test";
const VHOST: &str = "orders";
const AMQP_USERS: [&str; 5] = [
    "orders-worker",
    "orders-worker-declaring",
    "orders-operator",
    "orders-shop",
    "orders-subscriber",
];
const ROLES: [&str; 4] = ["orders_owner", "orders_worker", "orders_operator", "orders_reader"];

/// The virtual host, users and roles have fixed names: one test at a time.
static RECIPES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Servers to which the recipes were applied.
struct Deployment {
    env: TestEnv,
    ctl: String,
    _guard: tokio::sync::MutexGuard<'static, ()>,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn statements(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// Runs `rabbitmqctl`.
fn rabbitmqctl(ctl: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(ctl);
    command.args(["rabbitmq", "ctl", "-q"]).args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

/// Imports the definitions from standard input: the broker may not be able to read the file.
fn import_definitions(ctl: &str) {
    let mut command = Command::new(ctl);
    // Without -q: with it, rabbitmqctl 4.3 cannot read standard input.
    command.args(["rabbitmq", "ctl", "import_definitions"]);
    let definitions = File::open(path("rabbitmq/definitions.json")).unwrap();
    printed(&command.stdin(definitions).output().unwrap());
}

/// The URL with another user, and another virtual host if there is one.
fn url_as(url: &str, user: &str, vhost: Option<&str>) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, place) = rest.rsplit_once('@').unwrap();
    let place = match vhost {
        Some(vhost) => format!("{}/{vhost}", place.split('/').next().unwrap()),
        None => place.to_owned(),
    };
    format!("{scheme}://{user}:{PASSWORD}@{place}")
}

impl Deployment {
    /// None, with a message, if the broker is not one that the test may change.
    async fn new() -> Option<Self> {
        let ctl = controlled_broker()?;
        let guard = RECIPES.lock().await;
        let mut env = TestEnv::new().await;
        for (variable, name) in [
            ("COMMANDS_EXCHANGE", "orders.commands"),
            ("COMMANDS_QUEUE", "orders.commands"),
            ("EVENTS_EXCHANGE", "orders.events"),
            ("DEAD_LETTER_EXCHANGE", "orders.dead-letter"),
            ("DEAD_LETTER_QUEUE", "orders.dead-letter"),
            ("RETRY_DELAY_MS", "1000"),
        ] {
            env = env.with(variable, name);
        }
        let deployment = Self { env, ctl, _guard: guard };
        deployment.apply_to_rabbitmq().await;
        deployment.apply_to_postgres().await;
        Some(deployment)
    }

    async fn apply_to_rabbitmq(&self) {
        import_definitions(&self.ctl);
        for user in AMQP_USERS {
            // The import goes on after the command has returned.
            eventually("the user is imported", || async {
                let changed = rabbitmqctl(&self.ctl, &["change_password", user, PASSWORD]);
                changed.status.success()
            })
            .await;
        }
        eventually("the bindings are imported", || async {
            let listed = rabbitmqctl(&self.ctl, &["list_bindings", "-p", VHOST]);
            let listed = printed(&listed);
            listed.contains("order.#") && listed.contains("\t#")
        })
        .await;
    }

    /// As its page says: roles, passwords, tables, grants.
    async fn apply_to_postgres(&self) {
        self.env.execute(&statements("postgres/roles.sql")).await;
        for role in ROLES {
            self.env.execute(&format!("alter role {role} password '{PASSWORD}'")).await;
        }
        self.succeeds("orders_owner", "orders-worker", &["migrate"]);
        let grants = format!("set role orders_owner; {}", statements("postgres/grants.sql"));
        self.env.execute(&grants).await;
    }

    fn program(&self, role: &str, user: &str, arguments: &[&str]) -> Command {
        let mut command = self.env.program(arguments);
        command.env("AMQP_URL", url_as(&self.env.amqp_url, user, Some(VHOST)));
        command.env("DATABASE_URL", url_as(&self.env.database_url, role, None));
        command
    }

    fn succeeds(&self, role: &str, user: &str, arguments: &[&str]) -> String {
        let output = self.program(role, user, arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{role} {user} {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a subcommand that must fail because of its rights; returns its errors.
    fn is_refused(&self, role: &str, user: &str, arguments: &[&str]) -> String {
        let output = self.program(role, user, arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!output.status.success(), "{role} {user} {arguments:?}: {text}");
        let says_why = ["ACCESS_REFUSED", "permission denied", "refused by the broker"];
        assert!(says_why.iter().any(|reason| text.contains(reason)), "{arguments:?}: {text}");
        text
    }

    async fn start_worker(&self, user: &str, options: &[&str]) -> Worker {
        let mut command = self.program("orders_worker", user, &["run", "--migrate=false"]);
        command.args(options);
        let worker = self.env.spawn(&mut command);
        let ready = || async {
            let mut healthcheck = self.program("orders_worker", user, &["healthcheck"]);
            healthcheck.output().unwrap().status.success()
        };
        eventually("the worker is ready", ready).await;
        worker
    }

    async fn amqp_as(&self, user: &str) -> Channel {
        let url = url_as(&self.env.amqp_url, user, Some(VHOST));
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        channel
    }

    async fn remove(self) {
        printed(&rabbitmqctl(&self.ctl, &["delete_vhost", VHOST]));
        for user in AMQP_USERS {
            printed(&rabbitmqctl(&self.ctl, &["delete_user", user]));
        }
        for role in ROLES {
            self.env.execute(&format!("drop owned by {role} cascade; drop role {role}")).await;
        }
        self.env.remove().await;
    }
}

/// A file with one line for `publish`.
fn commands_file(folder: &tempfile::TempDir, command: &str) -> String {
    let path = folder.path().join("commands.ndjson");
    std::fs::write(&path, command).unwrap();
    path.to_str().unwrap().to_owned()
}

fn place_line(order_id: &str) -> String {
    format!("{{\"type\": \"PlaceOrder\", \"body\": {}}}\n", place(order_id))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_without_the_configure_permission_works_and_declares_nothing() {
    let Some(deployment) = Deployment::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = deployment.start_worker("orders-worker", &["--declare-topology=false"]).await;

    let file = commands_file(&folder, &place_line("7"));
    deployment.succeeds("orders_reader", "orders-shop", &["publish", &file]);

    eventually("it is placed", || async { deployment.env.count("orders").await == 1 }).await;
    let log = worker.stop_and_read_log().await;
    assert!(!log.contains("No permission to check"), "the recipe lets it check all: {log}");
    deployment.is_refused("orders_worker", "orders-worker", &["run", "--migrate=false"]);
    deployment.is_refused("orders_worker", "orders-worker", &["topology", "apply"]);
    let hidden = deployment.is_refused("orders_worker", "orders-worker", &["topology", "check"]);
    assert!(hidden.contains("unknown") && !hidden.contains("different"), "{hidden}");
    deployment.is_refused("orders_worker", "orders-worker", &["watch"]);
    deployment.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_that_may_not_see_its_retry_queues_starts_and_retries() {
    let Some(deployment) = Deployment::new().await else { return };
    let write = r"^(orders\.(events|dead-letter)|amq\.default)$";
    let read = r"^orders\.(commands|dead-letter)$";
    let narrow = ["set_permissions", "-p", VHOST, "orders-worker", "^$", write, read];
    printed(&rabbitmqctl(&deployment.ctl, &narrow));
    let folder = tempfile::tempdir().unwrap();
    let worker = deployment.start_worker("orders-worker", &["--declare-topology=false"]).await;

    let cancel = "{\"type\": \"CancelOrder\", \"order_id\": \"7\"}\n";
    let file = commands_file(&folder, cancel);
    deployment.succeeds("orders_reader", "orders-operator", &["publish", &file]);
    let place = commands_file(&folder, &place_line("7"));
    worker.wait_for_log("Command will be retried").await;
    deployment.succeeds("orders_reader", "orders-shop", &["publish", &place]);

    let cancelled = "orders where status = 6";
    eventually("it is cancelled", || async { deployment.env.count(cancelled).await == 1 }).await;
    let log = worker.stop_and_read_log().await;
    assert!(log.matches("No permission to check").count() <= 1, "{log}");
    deployment.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_with_the_configure_permission_declares_what_is_missing() {
    let Some(deployment) = Deployment::new().await else { return };
    for queue in ["orders.commands", "orders.commands.retry.1", "orders.dead-letter"] {
        printed(&rabbitmqctl(&deployment.ctl, &["delete_queue", "-p", VHOST, queue]));
    }

    let worker = deployment.start_worker("orders-worker-declaring", &[]).await;

    deployment.succeeds("orders_reader", "orders-operator", &["topology", "check"]);
    worker.stop().await;
    deployment.is_refused("orders_worker", "orders-worker-declaring", &["watch"]);
    deployment.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_shop_may_place_orders_and_read_its_replies_and_nothing_else() {
    let Some(deployment) = Deployment::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = deployment.start_worker("orders-worker", &["--declare-topology=false"]).await;
    let channel = deployment.amqp_as("orders-shop").await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let replies = "orders-shop.replies.1";
    channel.queue_declare(replies.into(), exclusive, FieldTable::default()).await.unwrap();

    let properties = BasicProperties::default().with_reply_to(replies.into());
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let body = place("7");
    let sent = channel.basic_publish(
        "orders.commands".into(),
        "order.place".into(),
        options,
        body.as_bytes(),
        properties,
    );
    assert!(sent.await.unwrap().await.unwrap().is_ack());

    eventually("the reply is in its queue", || async {
        let got = channel.basic_get(replies.into(), BasicGetOptions { no_ack: true }).await;
        got.unwrap().is_some_and(|reply| {
            let reply: Value = serde_json::from_slice(&reply.delivery.data).unwrap();
            reply["outcome"] == "accepted"
        })
    })
    .await;
    let cancel = commands_file(&folder, "{\"type\": \"CancelOrder\", \"order_id\": \"7\"}\n");
    deployment.is_refused("orders_reader", "orders-shop", &["publish", &cancel]);
    deployment.is_refused("orders_reader", "orders-shop", &["watch"]);
    for queue in ["orders.commands", "orders.dead-letter"] {
        let channel = deployment.amqp_as("orders-shop").await;
        let got = channel.basic_get(queue.into(), BasicGetOptions::default()).await;
        assert!(got.unwrap_err().to_string().contains("ACCESS_REFUSED"));
    }
    // The default exchange would lead around the topic permission.
    let channel = deployment.amqp_as("orders-shop").await;
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default();
    let sent =
        channel.basic_publish("".into(), "orders.commands".into(), options, b"{}", properties);
    let confirmed = async { sent.await?.await };
    assert!(confirmed.await.unwrap_err().to_string().contains("ACCESS_REFUSED"));
    worker.stop().await;
    deployment.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_subscriber_may_watch_events_and_publish_nothing() {
    let Some(deployment) = Deployment::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let worker = deployment.start_worker("orders-worker", &["--declare-topology=false"]).await;
    let mut watch =
        deployment.program("orders_reader", "orders-subscriber", &["watch", "--count", "1"]);
    let watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let waited = tokio::task::spawn_blocking(move || watch.wait_with_output().unwrap());

    // Events from before its queue was bound are lost to it, so further ones follow until it exits.
    let mut number = 0;
    while !waited.is_finished() {
        number += 1;
        let file = commands_file(&folder, &place_line(&number.to_string()));
        deployment.succeeds("orders_reader", "orders-shop", &["publish", &file]);
    }

    assert!(printed(&waited.await.unwrap()).contains("OrderStatusChanged"));
    let file = commands_file(&folder, &place_line("x"));
    deployment.is_refused("orders_reader", "orders-subscriber", &["publish", &file]);
    worker.stop().await;
    deployment.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn an_operator_may_repair_dead_letters_and_a_reader_may_only_read() {
    let Some(deployment) = Deployment::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = ["--declare-topology=false", "--collect-dead-letters=true"];
    let worker = deployment.start_worker("orders-worker", &options).await;
    let broken = "{\"type\": \"PlaceOrder\", \"body\": {\"order_id\": \"7\", \"items\": []}}\n";
    for _ in 0..2 {
        let file = commands_file(&folder, broken);
        deployment.succeeds("orders_reader", "orders-operator", &["publish", &file]);
    }
    eventually("both are in the table", || async {
        deployment.env.count("dead_letters").await == 2
    })
    .await;
    let ids = deployment.env.ask("select id from dead_letters order by id").await;
    let [first, second] = [ids[0].as_str(), ids[1].as_str()];
    let operator = |arguments: &[&str]| {
        deployment.succeeds(
            "orders_operator",
            "orders-operator",
            &[&["dead-letters"], arguments].concat(),
        )
    };
    let reader =
        |arguments: &[&str]| deployment.succeeds("orders_reader", "orders-subscriber", arguments);

    let fixed = folder.path().join("fixed.json");
    std::fs::write(&fixed, place("7")).unwrap();
    operator(&["edit", first, "--body", fixed.to_str().unwrap(), "--why", "items"]);
    operator(&["replay", first, "--dry-run"]);
    operator(&["replay", first, "--why", "fixed", "--yes"]);
    operator(&["discard", second, "--why", "duplicate", "--yes"]);
    operator(&["restore", second, "--why", "mistake", "--yes"]);

    assert_eq!(deployment.env.count("orders").await, 1);
    assert!(reader(&["orders", "list"]).contains('7'));
    reader(&["orders", "show", "7"]);
    reader(&["dead-letters", "list", "--state", "any"]);
    reader(&["dead-letters", "show", second]);
    let mut doctor = deployment.program("orders_reader", "orders-operator", &["doctor"]);
    let findings = String::from_utf8(doctor.output().unwrap().stdout).unwrap();
    assert!(findings.contains("orders.commands"), "{findings}");
    // The doctor examines what a worker needs.
    assert!(findings.contains("privileges: missing: insert on orders"), "{findings}");
    assert!(reader(&["dead-letters", "export"]).contains("missing_field"));
    for changes in [
        &["dead-letters", "discard", second, "--why", "no", "--yes"][..],
        &["dead-letters", "edit", second, "--body", fixed.to_str().unwrap(), "--why", "no"],
        &["migrate"],
    ] {
        deployment.is_refused("orders_reader", "orders-operator", changes);
    }
    worker.stop().await;
    deployment.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn only_the_owner_changes_the_tables() {
    let Some(deployment) = Deployment::new().await else { return };
    let env = &deployment.env;

    for role in ["orders_worker", "orders_operator", "orders_reader"] {
        for statement in [
            "create table mine ()",
            "drop table orders",
            "alter table orders add column mine text",
            "truncate orders",
            "delete from orders",
            "delete from _sqlx_migrations",
            "update order_history set version = 1",
            "update email_disclosures set order_id = ''",
        ] {
            let refused = env.try_execute(&format!("set role {role}; {statement}")).await;
            let error = refused.unwrap_err().to_string();
            let is_refused =
                ["permission denied", "must be owner"].iter().any(|it| error.contains(it));
            assert!(is_refused, "{role}: {statement}: {error}");
        }
    }
    deployment.succeeds("orders_owner", "orders-worker", &["migrate"]);
    deployment.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn an_operator_may_change_the_topology() {
    let Some(deployment) = Deployment::new().await else { return };
    for queue in ["orders.commands.retry.2", "orders.commands.partitions"] {
        printed(&rabbitmqctl(&deployment.ctl, &["delete_queue", "-p", VHOST, queue]));
    }
    let operator =
        |arguments: &[&str]| deployment.succeeds("orders_reader", "orders-operator", arguments);

    operator(&["topology", "apply"]);
    operator(&["topology", "check"]);
    operator(&["topology", "show"]);
    operator(&["topology", "repartition", "2"]);

    let deployment = Deployment { env: deployment.env.with("PARTITIONS", "2"), ..deployment };
    deployment.succeeds("orders_reader", "orders-operator", &["topology", "check"]);
    let worker = deployment.start_worker("orders-worker", &["--declare-topology=false"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = commands_file(&folder, &place_line("7"));
    deployment.succeeds("orders_reader", "orders-shop", &["publish", &file]);
    eventually("it is placed", || async { deployment.env.count("orders").await == 1 }).await;
    worker.stop().await;
    deployment.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn nobody_can_log_in_before_a_password_is_set() {
    let Some(deployment) = Deployment::new().await else { return };
    import_definitions(&deployment.ctl);

    for password in ["", PASSWORD] {
        let attempt = ["authenticate_user", "orders-worker", password];
        eventually("the password is gone", || async {
            !rabbitmqctl(&deployment.ctl, &attempt).status.success()
        })
        .await;
    }
    deployment.remove().await;
}
