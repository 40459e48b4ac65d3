//! The program without servers: SQLite file, in-process broker, standard input and output.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::amqp_client::place;
use crate::schemas::Validators;
use crate::test_env::{TestEnv, printed, program, variable};

const EXAMPLE: &str = include_str!("../../examples/commands.ndjson");

fn run_with_input(input: &str, folder: &Path) -> Output {
    let mut command = program(&["run"], folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn commands_from_a_pipe_become_events_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let commands = format!(
        "{{\"routing_key\": \"order.place\", \"body\": {}}}\n\n{}\n",
        place("7"),
        r#"{"type": "SetNextStatus", "order_id": 7, "from": "Received"}"#
    );

    let output = run_with_input(&commands, folder.path());

    printed(&output);
    let events = json_lines(&output);
    let schemas = Validators::default();
    for event in &events {
        schemas.assert_valid(event);
    }
    let statuses: Vec<_> = events.iter().map(|event| event["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["Received", "Processing"]);
    let list = printed(&program(&["orders", "list", "--json"], folder.path()).output().unwrap());
    let orders: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((&orders[0]["order_id"], &orders[0]["version"]), (&"7".into(), &2.into()));
}

#[test]
fn a_long_pipe_is_processed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let commands: Vec<String> = (0..12_000)
        .map(|n| format!("{{\"type\": \"PlaceOrder\", \"body\": {}}}\n", place(&n.to_string())))
        .collect();

    let output = run_with_input(&commands.concat(), folder.path());

    printed(&output);
    assert_eq!(json_lines(&output).len(), 12_000);
}

#[test]
fn an_invalid_line_is_reported_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let commands = format!("{{oops\n{{\"type\": \"PlaceOrder\", \"body\": {}}}\n", place("7"));

    let output = run_with_input(&commands, folder.path());

    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("line=1") && errors.contains("1 lines were not commands"), "{errors}");
    assert_eq!(json_lines(&output).len(), 1, "the valid command is processed");
}

#[test]
fn a_command_of_an_earlier_run_is_a_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("{{\"type\": \"PlaceOrder\", \"body\": {}}}\n", place("7"));
    printed(&run_with_input(&command, folder.path()));

    let rerun = run_with_input(&command, folder.path());

    printed(&rerun);
    assert_eq!(json_lines(&rerun), Vec::<Value>::new());
}

#[test]
fn the_demo_shows_all_outcomes() {
    let folder = tempfile::tempdir().unwrap();

    let shown = printed(&program(&["demo"], folder.path()).output().unwrap());

    for wanted in ["placed, Received for 190.00", "Shipping → Completed", "Received → Cancelled"]
    {
        assert!(shown.contains(wanted), "{wanted} in\n{shown}");
    }
    for outcome in ["accepted", "duplicate", "rejected", "dead_lettered"] {
        assert!(shown.contains(outcome), "{outcome} in\n{shown}");
    }
}

#[test]
fn the_demo_counts_each_line_of_its_input() {
    let folder = tempfile::tempdir().unwrap();

    let shown = printed(&program(&["demo", "--json"], folder.path()).output().unwrap());

    let sum: Value = serde_json::from_str(shown.lines().last().unwrap()).unwrap();
    let number = |name: &str| sum[name].as_u64().unwrap();
    assert_eq!(number("fed"), EXAMPLE.lines().count() as u64);
    let outcomes = ["accepted", "duplicates", "rejected", "dead_letters"].map(number);
    assert!(outcomes.iter().all(|&outcome| outcome > 0), "{sum}");
    assert_eq!(outcomes.iter().sum::<u64>(), number("fed"));
}

#[test]
fn the_demo_contains_the_order_of_the_original_store_verbatim() {
    let order = r#"{"items": [{"name": "Prod 001", "price_per_unit": 10, "product_id": 1, "quantity": 2}, {"name": "Prod 002", "price_per_unit": 12, "product_id": 2, "quantity": 2}], "order_customer": {"customer_id": 14, "email": "test@test.com", "name": "Test User"}, "order_id": 1, "status": 4, "total": "190.00"}"#;

    let order: Value = serde_json::from_str(order).unwrap();

    let lines = EXAMPLE.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(lines.filter(|line| line["body"] == order).count(), 1);
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn the_demo_runs_on_real_servers() {
    let env = TestEnv::new().await;
    let mut demo = env.program(&["demo"]);
    // The demo creates its own schema in the database.
    demo.env("DATABASE_URL", variable("DATABASE_URL"));

    let shown = printed(&demo.output().unwrap());

    assert!(shown.contains("RabbitMQ") && shown.contains("PostgreSQL"), "{shown}");
    env.remove().await;
}
