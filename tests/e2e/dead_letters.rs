//! Dead letters in the hands of operators.

use std::process::{Command, Output, Stdio};

use lapin::BasicProperties;
use serde_json::{Value, json};

use crate::shop::{Shop, place};
use crate::surroundings::{Surroundings, eventually, printed};

/// Runs `order-worker dead-letters …`.
fn operate(surroundings: &Surroundings, arguments: &[&str]) -> Output {
    operator(surroundings, arguments).output().unwrap()
}

fn operator(surroundings: &Surroundings, arguments: &[&str]) -> Command {
    let mut command = surroundings.program(&["dead-letters"]);
    command.args(arguments).env("USER", "grace").stdin(Stdio::null());
    command
}

/// The JSON that it prints.
fn answer(surroundings: &Surroundings, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    serde_json::from_str(&printed(&operate(surroundings, &arguments))).unwrap()
}

/// What it says on standard error when it fails.
fn complaint(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn dead_letters_are(surroundings: &Surroundings, state: &str, count: usize) {
    let what = format!("{count} dead letters are {state}");
    eventually(&what, || async {
        answer(surroundings, &["list", "--state", state]).as_array().unwrap().len() == count
    })
    .await;
}

async fn send(shop: &Shop, routing_key: &str, body: &str, message_id: &str) {
    let properties =
        BasicProperties::default().with_message_id(message_id.into()).with_app_id("shop".into());
    shop.send(routing_key, body.as_bytes(), properties).await;
}

fn cancel(order_id: &str) -> String {
    json!({"order_id": order_id}).to_string()
}

async fn status_of(surroundings: &Surroundings, order_id: &str) -> String {
    let query = format!("select status from orders where order_id = '{order_id}'");
    surroundings.ask(&query).await.pop().unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dead_letter_lands_in_the_table_with_its_bytes_and_its_reason() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;

    send(&shop, "order.place", "{\"order_id\":  7, oops", "m-1").await;

    dead_letters_are(&surroundings, "open", 1).await;
    let id = answer(&surroundings, &["list"])[0]["id"].to_string();
    let dead_letter = answer(&surroundings, &["show", &id]);
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
    let shown = printed(&operate(&surroundings, &["show", &id]));
    assert!(shown.contains("malformed_json") && shown.contains("oops"), "{shown}");
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn dead_letters_wait_in_their_queue_until_somebody_collects_them() {
    let mut surroundings = Surroundings::new().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    for number in 0..5 {
        send(&shop, "order.place", "{", &format!("m-{number}")).await;
    }
    eventually("all are dead letters", || async {
        worker.log().matches("goes to the dead letters").count() == 5
    })
    .await;
    worker.stop().await;
    assert_eq!(surroundings.count("dead_letters").await, 0);

    surroundings.collect_from_now_on();
    let worker = surroundings.start_worker().await;

    dead_letters_are(&surroundings, "open", 5).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn what_the_broker_gave_up_lands_in_the_table_with_the_brokers_reason() {
    let surroundings = Surroundings::collecting().await;
    surroundings.start_worker().await.stop().await;
    surroundings.foreign_client(&["expire", "3"]);

    let worker = surroundings.start_worker().await;

    // The worker takes what has not expired yet: bodies that are no orders.
    dead_letters_are(&surroundings, "open", 3).await;
    let query = "select code || ' ' || routing_key || ' ' || app_id from dead_letters where code = 'expired' limit 1";
    assert_eq!(surroundings.ask(query).await, ["expired order.place store.py"]);
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dry_run_tells_what_would_come_of_it_and_changes_nothing() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    send(&shop, "order.place", "{", "broken").await;
    send(&shop, "order.cancel", &cancel("7"), "early").await;
    send(&shop, "order.cancel", &cancel("8"), "lost").await;
    dead_letters_are(&surroundings, "open", 3).await;
    send(&shop, "order.place", &place("7"), "p-7").await;
    eventually("the order is placed", || async { surroundings.count("orders").await == 1 }).await;

    let prospects = answer(&surroundings, &["replay", "--all", "--dry-run"]);

    let mut words: Vec<&str> =
        prospects.as_array().unwrap().iter().map(|one| one["prospect"].as_str().unwrap()).collect();
    words.sort_unstable();
    assert_eq!(words, ["accepted", "still fails", "still fails"]);
    assert_eq!(status_of(&surroundings, "7").await, "1");
    dead_letters_are(&surroundings, "open", 3).await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_replayed_dead_letter_has_its_effect_once() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    send(&shop, "order.cancel", &cancel("7"), "early").await;
    dead_letters_are(&surroundings, "open", 1).await;
    send(&shop, "order.place", &place("7"), "p-7").await;
    eventually("the order is placed", || async { surroundings.count("orders").await == 1 }).await;

    let done = answer(&surroundings, &["replay", "--all", "--yes", "--why", "placed since"]);

    assert_eq!(done[0]["outcome"], "accepted");
    assert_eq!(status_of(&surroundings, "7").await, "6");
    dead_letters_are(&surroundings, "replayed", 1).await;
    let again = operate(&surroundings, &["replay", &done[0]["id"].to_string()]);
    assert!(complaint(&again).contains("1 were not handled"));
    assert_eq!(surroundings.count("order_history").await, 2);
    let actions = surroundings
        .ask("select who || ' ' || what || ' ' || why || ' ' || verdict from dead_letter_actions")
        .await;
    assert_eq!(actions, ["grace replay placed since confirmed"]);
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_replay_stops_by_itself_when_it_fails_again() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    for number in 0..6 {
        send(&shop, "order.place", "{", &format!("m-{number}")).await;
    }
    dead_letters_are(&surroundings, "open", 6).await;

    let replay = ["replay", "--all", "--yes", "--pace", "1,2,all", "--stop-after-failures", "2"];
    let stopped = operate(&surroundings, &replay);

    assert!(complaint(&stopped).contains("stopped after 3 failures; 3 were not tried"));
    dead_letters_are(&surroundings, "open", 6).await;
    let failures = surroundings.ask("select failures from dead_letters order by id").await;
    assert_eq!(failures, ["2", "2", "2", "1", "1", "1"], "no further rows");
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_command_that_its_order_has_overtaken_is_not_replayed_unless_forced() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    send(&shop, "order.cancel", &cancel("7"), "early").await;
    dead_letters_are(&surroundings, "open", 1).await;
    send(&shop, "order.place", &place("7"), "p-7").await;
    let shipping = r#"{"order_id": 7, "status": "Shipping"}"#;
    send(&shop, "order.set_status", shipping, "s-7").await;
    eventually("the order ships", || async { status_of(&surroundings, "7").await == "4" }).await;

    let replay = ["replay", "--all", "--yes", "--json"];
    let left: Value = serde_json::from_slice(&operate(&surroundings, &replay).stdout).unwrap();
    assert_eq!(left[0]["outcome"], "rejected", "{left}");
    let back = r#"{"order_id": "7", "status": "Processing"}"#;
    send(&shop, "order.set_status", r#"{"order_id": "8", "status": 2}"#, "late-8").await;
    dead_letters_are(&surroundings, "open", 1).await;
    send(&shop, "order.place", &place("8"), "p-8").await;
    send(
        &shop,
        "order.set_status",
        &back.replace('7', "8").replace("Processing", "Shipping"),
        "s-8",
    )
    .await;
    eventually("the order ships", || async { status_of(&surroundings, "8").await == "4" }).await;

    let left: Value = serde_json::from_slice(&operate(&surroundings, &replay).stdout).unwrap();
    assert_eq!(left[0]["outcome"], "superseded");
    assert_eq!(status_of(&surroundings, "8").await, "4");
    let forced = answer(&surroundings, &["replay", "--all", "--yes", "--force"]);
    assert_eq!(forced[0]["outcome"], "accepted");
    assert_eq!(status_of(&surroundings, "8").await, "2");
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dead_letter_can_be_mended_and_then_replayed() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    let broken = place("7").replace("12.50", "12.505");
    send(&shop, "order.place", &broken, "p-7").await;
    dead_letters_are(&surroundings, "open", 1).await;
    let id = answer(&surroundings, &["list"])[0]["id"].to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    let edit = ["edit", &id, "--body", file.path().to_str().unwrap(), "--why", "a price"];

    std::fs::write(file.path(), broken.replace("12.505", "-1")).unwrap();
    assert!(complaint(&operate(&surroundings, &edit)).contains("would still fail"));
    std::fs::write(file.path(), place("7")).unwrap();
    let diff = printed(&operate(&surroundings, &edit));

    assert!(diff.contains("-      \"price_per_unit\": \"12.505\""), "{diff}");
    assert!(diff.contains("+      \"price_per_unit\": \"12.50\""), "{diff}");
    let done = answer(&surroundings, &["replay", &id]);
    assert_eq!(done[0]["outcome"], "accepted");
    let dead_letter = answer(&surroundings, &["show", &id]);
    assert_eq!(dead_letter["original_body"], broken.as_str());
    assert_eq!(
        (&dead_letter["revision"], &dead_letter["actions"][0]["why"]),
        (&json!(2), &json!("a price"))
    );
    assert_eq!(surroundings.ask("select message_id from handled_messages").await, ["p-7"]);
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn what_is_given_up_needs_a_reason_and_can_be_restored() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    send(&shop, "order.place", "{", "m").await;
    dead_letters_are(&surroundings, "open", 1).await;

    assert!(complaint(&operate(&surroundings, &["discard", "--all", "--yes"])).contains("--why"));
    assert!(
        complaint(&operate(&surroundings, &["discard", "--all", "--why", "test"]))
            .contains("--yes")
    );
    printed(&operate(&surroundings, &["discard", "--all", "--why", "a test", "--yes"]));
    dead_letters_are(&surroundings, "discarded", 1).await;
    printed(&operate(&surroundings, &["restore", "--all", "--yes"]));

    dead_letters_are(&surroundings, "open", 1).await;
    let actions = surroundings.ask("select what from dead_letter_actions order by id").await;
    assert_eq!(actions, ["discard", "restore"]);
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn two_operators_and_one_who_is_killed_replay_each_dead_letter_into_one_effect() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    for number in 0..40 {
        send(&shop, "order.set_next_status", &cancel(&number.to_string()), &format!("n-{number}"))
            .await;
    }
    dead_letters_are(&surroundings, "open", 40).await;
    for number in 0..40 {
        send(&shop, "order.place", &place(&number.to_string()), &format!("p-{number}")).await;
    }
    eventually("all are placed", || async { surroundings.count("orders").await == 40 }).await;

    let replay = ["replay", "--all", "--yes", "--pace", "1"];
    let mut killed = operator(&surroundings, &replay).stdout(Stdio::null()).spawn().unwrap();
    eventually("some are replayed", || async {
        surroundings.count("dead_letter_actions").await >= 5
    })
    .await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(surroundings.count("dead_letter_actions").await < 40, "killed too late");
    let two: Vec<_> = (0..2)
        .map(|_| {
            let mut operator = operator(&surroundings, &["replay", "--all", "--yes"]);
            operator.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut one in two {
        one.wait().unwrap();
    }

    // The one that was killed may have left a dead letter in its hands; it is free after two minutes.
    let in_hand = "select count(*) from dead_letters where state = 2";
    let left: usize = surroundings.ask(in_hand).await[0].parse().unwrap();
    assert!(left <= 1, "{left}");
    let moved =
        surroundings.ask("select count(*) from orders where version = 2 and status = 2").await;
    assert!(moved[0].parse::<usize>().unwrap() >= 40 - left);
    let twice = "select count(*) from order_history where version > 2";
    assert_eq!(surroundings.ask(twice).await, ["0"]);
    let confirmed = "select count(*) from (select dead_letter_id from dead_letter_actions
                     group by dead_letter_id having count(*) > 1) as twice";
    assert_eq!(surroundings.ask(confirmed).await, ["0"], "each was replayed by one");
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn dead_letters_come_back_from_an_export_as_they_were() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    send(&shop, "order.place", "{\u{0}\u{1b}[31m", "m-1").await;
    shop.send("order.place", b"\xff\xfe\x00", BasicProperties::default()).await;
    dead_letters_are(&surroundings, "open", 2).await;
    let exported = printed(&operate(&surroundings, &["export"]));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &exported).unwrap();
    let import = ["import", file.path().to_str().unwrap()];

    let known = printed(&operate(&surroundings, &import));
    assert_eq!(known, "0 imported, 2 were there already\n");
    surroundings.execute("delete from dead_letters").await;
    let new = printed(&operate(&surroundings, &import));

    assert_eq!(new, "2 imported, 0 were there already\n");
    assert_eq!(printed(&operate(&surroundings, &["export"])), exported);
    let groups = answer(&surroundings, &["list", "--group"]);
    assert_eq!(groups.as_array().unwrap().len(), 2, "{groups}");
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_does_not_start_when_a_dead_letter_could_outlive_its_message_id() {
    let surroundings = Surroundings::new().await;
    let mut run = surroundings.program(&["run", "--message-retention-days", "30"]);

    let output = run.stdin(Stdio::null()).output().unwrap();

    assert!(complaint(&output).contains("MESSAGE_RETENTION_DAYS: 30 days must be more than"));
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn what_is_old_enough_goes_by_itself_but_for_the_ids_of_dead_letters() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    send(&shop, "order.place", "{", "kept").await;
    dead_letters_are(&surroundings, "open", 1).await;
    worker.stop().await;
    let handled = |message_id: &str, days: u32| {
        format!(
            "insert into handled_messages values ('{message_id}', '\\x00', 'PlaceOrder', '1',
             'accepted', null, now() - interval '{days} days');"
        )
    };
    let rows = handled("kept", 91) + &handled("old", 91) + &handled("young", 89);
    surroundings.execute(&rows).await;

    let worker = surroundings.start_worker().await;

    eventually("the old one is gone", || async {
        surroundings.ask("select message_id from handled_messages order by 1").await
            == ["kept", "young"]
    })
    .await;
    surroundings.execute("update dead_letters set changed_at = now() - interval '31 days'").await;
    worker.stop().await;
    let worker = surroundings.start_worker().await;
    eventually("the dead letter is gone", || async {
        surroundings.count("dead_letters").await == 0
    })
    .await;
    worker.stop().await;
    surroundings.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn what_a_killed_operator_had_in_hand_is_taken_over() {
    let surroundings = Surroundings::collecting().await;
    let worker = surroundings.start_worker().await;
    let shop = Shop::on(&surroundings).await;
    for order_id in ["7", "8"] {
        send(&shop, "order.cancel", &cancel(order_id), &format!("early-{order_id}")).await;
    }
    dead_letters_are(&surroundings, "open", 2).await;
    for order_id in ["7", "8"] {
        send(&shop, "order.place", &place(order_id), &format!("p-{order_id}")).await;
    }
    eventually("both are placed", || async { surroundings.count("orders").await == 2 }).await;
    let in_hand = |order_id: &str, seconds: u32| {
        format!(
            "update dead_letters set state = 2, replays = 1,
             changed_at = now() - interval '{seconds} seconds' where order_id = '{order_id}';"
        )
    };
    surroundings.execute(&(in_hand("7", 121) + &in_hand("8", 60))).await;

    let done = answer(&surroundings, &["replay", "--all", "--yes"]);

    assert_eq!(done.as_array().unwrap().len(), 1, "the other one is in living hands");
    assert_eq!(done[0]["outcome"], "accepted");
    assert_eq!(status_of(&surroundings, "7").await, "6");
    assert_eq!(status_of(&surroundings, "8").await, "1");
    worker.stop().await;
    surroundings.remove().await;
}
