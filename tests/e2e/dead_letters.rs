//! What operators do with dead letters.

use std::process::{Command, Output, Stdio};

use lapin::BasicProperties;
use serde_json::{Value, json};

use crate::amqp_client::{AmqpClient, place};
use crate::test_env::{TestEnv, eventually, printed};

/// Runs `order-worker dead-letters …`.
fn run(env: &TestEnv, arguments: &[&str]) -> Output {
    operator(env, arguments).output().unwrap()
}

fn operator(env: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = env.program(&["dead-letters"]);
    command.args(arguments).env("USER", "grace").stdin(Stdio::null());
    command
}

/// The JSON that it prints.
fn json(env: &TestEnv, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    serde_json::from_str(&printed(&run(env, &arguments))).unwrap()
}

/// Its standard error; it must have failed.
fn error(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn dead_letters_are(env: &TestEnv, state: &str, count: usize) {
    let what = format!("{count} dead letters are {state}");
    eventually(&what, || async {
        json(env, &["list", "--state", state]).as_array().unwrap().len() == count
    })
    .await;
}

async fn send(amqp: &AmqpClient, routing_key: &str, body: &str, message_id: &str) {
    let properties =
        BasicProperties::default().with_message_id(message_id.into()).with_app_id("shop".into());
    amqp.send(routing_key, body.as_bytes(), properties).await;
}

fn cancel(order_id: &str) -> String {
    json!({"order_id": order_id}).to_string()
}

async fn status_of(env: &TestEnv, order_id: &str) -> String {
    let query = format!("select status from orders where order_id = '{order_id}'");
    env.ask(&query).await.pop().unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dead_letter_lands_in_the_table_with_its_bytes_and_its_reason() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;

    send(&amqp, "order.place", "{\"order_id\":  7, oops", "m-1").await;

    dead_letters_are(&env, "open", 1).await;
    let id = json(&env, &["list"])[0]["id"].to_string();
    let dead_letter = json(&env, &["show", &id]);
    assert_eq!(dead_letter["code"], "malformed_json");
    assert_eq!(dead_letter["body"], "{\"order_id\":  7, oops");
    assert_eq!(
        (&dead_letter["message_id"], &dead_letter["app_id"]),
        (&json!("m-1"), &json!("shop"))
    );
    assert_eq!(
        (&dead_letter["command"], &dead_letter["routing_key"]),
        (&json!("PlaceOrder"), &json!("order.place"))
    );
    let shown = printed(&run(&env, &["show", &id]));
    assert!(shown.contains("malformed_json") && shown.contains("oops"), "{shown}");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn dead_letters_stay_in_their_queue_until_they_are_collected() {
    let mut env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    for number in 0..5 {
        send(&amqp, "order.place", "{", &format!("m-{number}")).await;
    }
    eventually("all are dead letters", || async {
        worker.log().matches("Message dead-lettered").count() == 5
    })
    .await;
    worker.stop().await;
    assert_eq!(env.count("dead_letters").await, 0);

    env.enable_collector();
    let worker = env.start_worker().await;

    dead_letters_are(&env, "open", 5).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn what_the_broker_dead_lettered_lands_in_the_table_with_its_reason() {
    let env = TestEnv::collecting().await;
    env.start_worker().await.stop().await;
    env.python_client(&["expire", "3"]);

    let worker = env.start_worker().await;

    // The worker takes what has not expired yet: bodies that are no orders.
    dead_letters_are(&env, "open", 3).await;
    let query = "select code || ' ' || routing_key || ' ' || app_id from dead_letters where code = 'expired' limit 1";
    assert_eq!(env.ask(query).await, ["expired order.place store.py"]);
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dry_run_shows_outcomes_and_changes_nothing() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    send(&amqp, "order.place", "{", "broken").await;
    send(&amqp, "order.cancel", &cancel("7"), "early").await;
    send(&amqp, "order.cancel", &cancel("8"), "lost").await;
    dead_letters_are(&env, "open", 3).await;
    send(&amqp, "order.place", &place("7"), "p-7").await;
    eventually("the order is placed", || async { env.count("orders").await == 1 }).await;

    let outcomes = json(&env, &["replay", "--all", "--dry-run"]);

    let mut words: Vec<&str> =
        outcomes.as_array().unwrap().iter().map(|one| one["prospect"].as_str().unwrap()).collect();
    words.sort_unstable();
    assert_eq!(words, ["accepted", "still fails", "still fails"]);
    assert_eq!(status_of(&env, "7").await, "1");
    dead_letters_are(&env, "open", 3).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_replayed_dead_letter_has_its_effect_once() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    send(&amqp, "order.cancel", &cancel("7"), "early").await;
    dead_letters_are(&env, "open", 1).await;
    send(&amqp, "order.place", &place("7"), "p-7").await;
    eventually("the order is placed", || async { env.count("orders").await == 1 }).await;

    let done = json(&env, &["replay", "--all", "--yes", "--why", "placed since"]);

    assert_eq!(done[0]["outcome"], "accepted");
    assert_eq!(status_of(&env, "7").await, "6");
    dead_letters_are(&env, "replayed", 1).await;
    let again = run(&env, &["replay", &done[0]["id"].to_string()]);
    assert!(error(&again).contains("1 of 1 dead letters were not processed"));
    assert_eq!(env.count("order_history").await, 2);
    let actions = env
        .ask("select who || ' ' || what || ' ' || why || ' ' || verdict from dead_letter_actions")
        .await;
    assert_eq!(actions, ["grace replay placed since confirmed"]);
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_replay_stops_by_itself_when_it_fails_again() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    for number in 0..6 {
        send(&amqp, "order.place", "{", &format!("m-{number}")).await;
    }
    dead_letters_are(&env, "open", 6).await;

    let replay = ["replay", "--all", "--yes", "--pace", "1,2,all", "--stop-after-failures", "2"];
    let stopped = run(&env, &replay);

    assert!(error(&stopped).contains("stopped after 3 failures; 3 were not tried"));
    dead_letters_are(&env, "open", 6).await;
    let failures = env.ask("select failures from dead_letters order by id").await;
    assert_eq!(failures, ["2", "2", "2", "1", "1", "1"], "no further rows");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_superseded_command_is_not_replayed_unless_forced() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    send(&amqp, "order.cancel", &cancel("7"), "early").await;
    dead_letters_are(&env, "open", 1).await;
    send(&amqp, "order.place", &place("7"), "p-7").await;
    let shipping = r#"{"order_id": 7, "status": "Shipping"}"#;
    send(&amqp, "order.set_status", shipping, "s-7").await;
    eventually("the order ships", || async { status_of(&env, "7").await == "4" }).await;

    let replay = ["replay", "--all", "--yes", "--json"];
    let left: Value = serde_json::from_slice(&run(&env, &replay).stdout).unwrap();
    assert_eq!(left[0]["outcome"], "rejected", "{left}");
    let back = r#"{"order_id": "7", "status": "Processing"}"#;
    send(&amqp, "order.set_status", r#"{"order_id": "8", "status": 2}"#, "late-8").await;
    dead_letters_are(&env, "open", 1).await;
    send(&amqp, "order.place", &place("8"), "p-8").await;
    send(
        &amqp,
        "order.set_status",
        &back.replace('7', "8").replace("Processing", "Shipping"),
        "s-8",
    )
    .await;
    eventually("the order ships", || async { status_of(&env, "8").await == "4" }).await;

    let left: Value = serde_json::from_slice(&run(&env, &replay).stdout).unwrap();
    assert_eq!(left[0]["outcome"], "superseded");
    assert_eq!(status_of(&env, "8").await, "4");
    let forced = json(&env, &["replay", "--all", "--yes", "--force"]);
    assert_eq!(forced[0]["outcome"], "accepted");
    assert_eq!(status_of(&env, "8").await, "2");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dead_letter_can_be_edited_and_then_replayed() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    let broken = place("7").replace("12.50", "12.505");
    send(&amqp, "order.place", &broken, "p-7").await;
    dead_letters_are(&env, "open", 1).await;
    let id = json(&env, &["list"])[0]["id"].to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    let edit = ["edit", &id, "--body", file.path().to_str().unwrap(), "--why", "a price"];

    std::fs::write(file.path(), broken.replace("12.505", "-1")).unwrap();
    assert!(error(&run(&env, &edit)).contains("would still fail"));
    std::fs::write(file.path(), place("7")).unwrap();
    let diff = printed(&run(&env, &edit));

    assert!(diff.contains("-      \"price_per_unit\": \"12.505\""), "{diff}");
    assert!(diff.contains("+      \"price_per_unit\": \"12.50\""), "{diff}");
    let done = json(&env, &["replay", &id]);
    assert_eq!(done[0]["outcome"], "accepted");
    let dead_letter = json(&env, &["show", &id]);
    assert_eq!(dead_letter["original_body"], broken.as_str());
    assert_eq!(
        (&dead_letter["revision"], &dead_letter["actions"][0]["why"]),
        (&json!(2), &json!("a price"))
    );
    assert_eq!(env.ask("select message_id from handled_messages").await, ["p-7"]);
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_discard_needs_a_reason_and_can_be_restored() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    send(&amqp, "order.place", "{", "m").await;
    dead_letters_are(&env, "open", 1).await;

    assert!(error(&run(&env, &["discard", "--all", "--yes"])).contains("--why"));
    assert!(error(&run(&env, &["discard", "--all", "--why", "test"])).contains("--yes"));
    printed(&run(&env, &["discard", "--all", "--why", "a test", "--yes"]));
    dead_letters_are(&env, "discarded", 1).await;
    printed(&run(&env, &["restore", "--all", "--yes"]));

    dead_letters_are(&env, "open", 1).await;
    let actions = env.ask("select what from dead_letter_actions order by id").await;
    assert_eq!(actions, ["discard", "restore"]);
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn two_replays_and_a_killed_one_apply_each_dead_letter_once() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    for number in 0..40 {
        send(&amqp, "order.set_next_status", &cancel(&number.to_string()), &format!("n-{number}"))
            .await;
    }
    dead_letters_are(&env, "open", 40).await;
    for number in 0..40 {
        send(&amqp, "order.place", &place(&number.to_string()), &format!("p-{number}")).await;
    }
    eventually("all are placed", || async { env.count("orders").await == 40 }).await;

    let replay = ["replay", "--all", "--yes", "--pace", "1"];
    let mut killed = operator(&env, &replay).stdout(Stdio::null()).spawn().unwrap();
    eventually("some are replayed", || async { env.count("dead_letter_actions").await >= 5 }).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(env.count("dead_letter_actions").await < 40, "killed too late");
    let two: Vec<_> = (0..2)
        .map(|_| {
            let mut operator = operator(&env, &["replay", "--all", "--yes"]);
            operator.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut one in two {
        one.wait().unwrap();
    }

    // The killed one may have claimed a dead letter, which can be claimed again after two minutes.
    let claimed = "select count(*) from dead_letters where state = 2";
    let left: usize = env.ask(claimed).await[0].parse().unwrap();
    assert!(left <= 1, "{left}");
    let moved = env.ask("select count(*) from orders where version = 2 and status = 2").await;
    assert!(moved[0].parse::<usize>().unwrap() >= 40 - left);
    let twice = "select count(*) from order_history where version > 2";
    assert_eq!(env.ask(twice).await, ["0"]);
    let confirmed = "select count(*) from (select dead_letter_id from dead_letter_actions
                     group by dead_letter_id having count(*) > 1) as twice";
    assert_eq!(env.ask(confirmed).await, ["0"], "each was replayed by one");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn exported_dead_letters_can_be_imported_unchanged() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    send(&amqp, "order.place", "{\u{0}\u{1b}[31m", "m-1").await;
    amqp.send("order.place", b"\xff\xfe\x00", BasicProperties::default()).await;
    dead_letters_are(&env, "open", 2).await;
    let exported = printed(&run(&env, &["export"]));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &exported).unwrap();
    let import = ["import", file.path().to_str().unwrap()];

    let known = printed(&run(&env, &import));
    assert_eq!(known, "0 imported, 2 already in the table\n");
    env.execute("delete from dead_letters").await;
    let new = printed(&run(&env, &import));

    assert_eq!(new, "2 imported, 0 already in the table\n");
    assert_eq!(printed(&run(&env, &["export"])), exported);
    let groups = json(&env, &["list", "--group"]);
    assert_eq!(groups.as_array().unwrap().len(), 2, "{groups}");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_does_not_start_when_a_dead_letter_could_outlive_its_message_id() {
    let env = TestEnv::new().await;
    let mut run = env.program(&["run", "--message-retention-days", "30"]);

    let output = run.stdin(Stdio::null()).output().unwrap();

    assert!(error(&output).contains("MESSAGE_RETENTION_DAYS: 30 days must be more than"));
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn old_rows_are_deleted_except_for_the_ids_of_dead_letters() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    send(&amqp, "order.place", "{", "kept").await;
    dead_letters_are(&env, "open", 1).await;
    worker.stop().await;
    let handled = |message_id: &str, days: u32| {
        format!(
            "insert into handled_messages values ('{message_id}', '\\x00', 'PlaceOrder', '1',
             'accepted', null, now() - interval '{days} days');"
        )
    };
    let rows = handled("kept", 91) + &handled("old", 91) + &handled("young", 89);
    env.execute(&rows).await;

    let worker = env.start_worker().await;

    eventually("the old one is gone", || async {
        env.ask("select message_id from handled_messages order by 1").await == ["kept", "young"]
    })
    .await;
    env.execute("update dead_letters set changed_at = now() - interval '31 days'").await;
    worker.stop().await;
    let worker = env.start_worker().await;
    eventually("the dead letter is gone", || async { env.count("dead_letters").await == 0 }).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn what_a_killed_replay_had_claimed_is_replayed_by_another() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    for order_id in ["7", "8"] {
        send(&amqp, "order.cancel", &cancel(order_id), &format!("early-{order_id}")).await;
    }
    dead_letters_are(&env, "open", 2).await;
    for order_id in ["7", "8"] {
        send(&amqp, "order.place", &place(order_id), &format!("p-{order_id}")).await;
    }
    eventually("both are placed", || async { env.count("orders").await == 2 }).await;
    let claimed = |order_id: &str, seconds: u32| {
        format!(
            "update dead_letters set state = 2, replays = 1,
             changed_at = now() - interval '{seconds} seconds' where order_id = '{order_id}';"
        )
    };
    env.execute(&(claimed("7", 121) + &claimed("8", 60))).await;

    let done = json(&env, &["replay", "--all", "--yes"]);

    assert_eq!(done.as_array().unwrap().len(), 1, "the claim of the other one is recent");
    assert_eq!(done[0]["outcome"], "accepted");
    assert_eq!(status_of(&env, "7").await, "6");
    assert_eq!(status_of(&env, "8").await, "1");
    worker.stop().await;
    env.remove().await;
}
