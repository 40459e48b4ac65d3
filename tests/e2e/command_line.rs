//! The subcommands, their output and their exit codes.

use std::io::Write;
use std::process::{Command, Stdio};

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::Value;

use crate::amqp_client::place;
use crate::test_env::{TestEnv, eventually, printed, program, variable};

/// Exit code, standard output and standard error.
fn done(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_wrong_setting_is_an_error_that_names_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value) in [
        ("PREFETCH", "0"),
        ("LANES", "many"),
        ("DATABASE_URL", "mysql://user:secret@host/db"),
        ("AMQP_URL", "http://user:secret@host/"),
        ("AMQP_URL", "amqp://user:secret@a,,c/"),
        ("AMQP_URL", "amqp://user:12/secret@a,b/"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "a=b=c"),
    ] {
        let (code, _, errors) = done(program(&["run"], folder.path()).env(variable, value));

        assert_ne!(code, Some(0), "{variable}");
        assert!(errors.contains(variable), "{variable}: {errors}");
        assert!(!errors.contains("secret"), "{errors}");
    }
}

#[test]
fn help_never_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://user:secret@host/db";

    let (code, help, _) = done(
        program(&["run", "--help"], folder.path())
            .env("DATABASE_URL", url)
            .env("AMQP_URL", "amqp://u:secret@h"),
    );

    assert_eq!(code, Some(0));
    assert!(help.contains("DATABASE_URL") && !help.contains("secret"), "{help}");
}

#[test]
fn commands_that_need_a_broker_name_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["publish", "-"][..], &["watch"], &["topology", "check"]] {
        let (code, _, errors) = done(&mut program(arguments, folder.path()));

        assert_eq!(code, Some(1));
        assert!(errors.contains("AMQP_URL"), "{errors}");
    }
}

#[test]
fn a_token_is_printed_once_and_its_file_has_a_hash() {
    let folder = tempfile::tempdir().unwrap();
    let token = |arguments: &[&str]| {
        let arguments = [&["token"], arguments, &["--file", "tokens"]].concat();
        done(&mut program(&arguments, folder.path()))
    };

    let (code, secret, errors) = token(&["new", "--name", "shop", "--role", "store"]);

    assert_eq!(code, Some(0), "{errors}");
    let file = std::fs::read_to_string(folder.path().join("tokens")).unwrap();
    assert!(secret.starts_with("owt_") && file.starts_with("shop:store:"), "{file}");
    assert!(!file.contains(secret.trim()) && !errors.contains(secret.trim()), "{errors}");
    assert!(token(&["list", "--json"]).1.contains("\"shop\""));
    assert_eq!(token(&["new", "--name", "shop", "--role", "store"]).0, Some(1));
    assert_eq!(token(&["remove", "shop"]).0, Some(0));
    assert_eq!(std::fs::read_to_string(folder.path().join("tokens")).unwrap(), "");
}

#[test]
fn a_token_without_a_file_comes_with_the_line_for_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let new = ["token", "new", "--name", "ada", "--role", "operator"];

    let (code, printed, errors) = done(&mut program(&new, folder.path()));

    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!((code, lines.len()), (Some(0), 2), "{errors}");
    assert!(lines[0].starts_with("owt_") && lines[1].starts_with("ada:operator:"), "{printed}");
    assert!(errors.contains("HTTP_TOKENS"), "{errors}");
}

#[test]
fn a_query_with_a_wrong_argument_names_the_argument() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, name) in [
        (&["--status", "Paid"][..], "status: "),
        (&["--from", "yesterday", "--until", "2026-11-20"], "from: "),
        (&["--start", "2026-11-20", "--end", "2026-11-19"], "until: "),
        (&["--customer", ""], "customer: "),
    ] {
        let (code, _, errors) = done(program(&["orders", "list"], folder.path()).args(arguments));

        assert_eq!(code, Some(1));
        assert!(errors.contains(name), "{errors}");
    }
}

#[test]
fn a_missing_order_is_distinguished_from_a_missing_schema() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, errors) = done(&mut program(&["orders", "show", "7"], folder.path()));
    assert_eq!(code, Some(1));
    assert!(errors.contains("order-worker migrate"), "{errors}");

    printed(&program(&["migrate"], folder.path()).output().unwrap());

    let (code, _, errors) = done(&mut program(&["orders", "show", "7"], folder.path()));
    assert_eq!(code, Some(1));
    assert!(errors.contains("there is no order 7"), "{errors}");
    let (code, list, _) = done(&mut program(&["orders", "list"], folder.path()));
    assert_eq!(code, Some(0));
    assert!(list.contains("0 orders"), "{list}");
}

#[test]
fn schemas_are_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();

    printed(&program(&["schemas", "--write", "out"], folder.path()).output().unwrap());

    let written = std::fs::read_dir(folder.path().join("out")).unwrap().count();
    let shown = printed(&program(&["schemas"], folder.path()).output().unwrap());
    let documents = serde_json::Deserializer::from_str(&shown).into_iter::<Value>();
    assert_eq!((written, documents.map(Result::unwrap).count()), (7, 7));
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn publish_counts_confirmed_unroutable_and_invalid_lines() {
    let env = TestEnv::new().await;
    printed(&env.program(&["topology", "apply"]).output().unwrap());
    let lines = format!(
        "{{\"type\": \"PlaceOrder\", \"body\": {}}}\n{{oops\n{}\n",
        place("7"),
        r#"{"routing_key": "elsewhere", "body": {}}"#
    );

    let mut publish = env.program(&["publish", "-", "--json"]);
    let mut process = publish
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();

    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    let [confirmed, unroutable, invalid] =
        ["confirmed", "unroutable", "invalid"].map(|name| &counts[name]);
    assert_eq!((confirmed, unroutable, invalid), (&1.into(), &1.into(), &1.into()), "{counts}");
    assert!(errors.contains("line 2 is not a JSON object"), "{errors}");
    assert!(errors.contains("line 3 is unroutable"), "{errors}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn watch_prints_events_as_they_are_published() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let mut watch = env.program(&["watch", "order.status.#", "--count", "1"]);
    let watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let amqp = crate::amqp_client::AmqpClient::on(&env).await;
    let mut number = 0;

    // Events published before its queue was bound are lost to it, so further ones follow until it exits.
    let waited = tokio::task::spawn_blocking(move || watch.wait_with_output().unwrap());
    while !waited.is_finished() {
        number += 1;
        amqp.send("order.place", place(&number.to_string()).as_bytes(), BasicProperties::default())
            .await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }

    let event: Value = serde_json::from_str(&printed(&waited.await.unwrap())).unwrap();
    assert_eq!(event["type"], "OrderStatusChanged");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn topology_check_names_what_differs() {
    let env = TestEnv::new().await;
    let check = || done(&mut env.program(&["topology", "check", "--json"]));
    assert!(check().1.contains("missing"));
    printed(&env.program(&["topology", "apply"]).output().unwrap());
    assert_eq!(check().0, Some(0));

    let connection =
        Connection::connect(&variable("AMQP_URL"), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = format!("{}.retry.1", env.name_of("COMMANDS_QUEUE"));
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();

    let (code, findings, _) = check();
    assert_eq!(code, Some(1));
    assert!(
        findings.contains(&format!("queue {queue}")) && findings.contains("inequivalent arg"),
        "{findings}"
    );
    let (code, _, errors) = done(&mut env.program(&["run"]));
    assert_eq!(code, Some(1), "a worker does not start on a topology that differs");
    assert!(errors.contains(&queue) && errors.contains("inequivalent arg"), "{errors}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_with_declare_topology_false_only_checks() {
    let env = TestEnv::new().await;

    let (code, _, errors) = done(&mut env.program(&["run", "--declare-topology=false"]));

    assert_eq!(code, Some(1));
    assert!(errors.contains("does not exist"), "{errors}");
    printed(&env.program(&["topology", "apply"]).output().unwrap());
    let worker = env.start_worker_with(&["--declare-topology=false"]).await;
    crate::amqp_client::publish_orders(&env, &[place("7")]).await;
    eventually("it is placed", || async { env.count("orders").await == 1 }).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_healthcheck_fails_without_a_consumer() {
    let env = TestEnv::new().await;
    printed(&env.program(&["topology", "apply"]).output().unwrap());
    printed(&env.program(&["migrate"]).output().unwrap());

    let (code, checks, _) = done(&mut env.program(&["healthcheck", "--json"]));

    let checks: Value = serde_json::from_str(&checks).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!((&checks[0]["good"], &checks[1]["good"]), (&true.into(), &false.into()), "{checks}");
    let worker = env.start_worker().await;
    assert_eq!(done(&mut env.program(&["healthcheck"])).0, Some(0));
    worker.stop().await;
    env.remove().await;
}
