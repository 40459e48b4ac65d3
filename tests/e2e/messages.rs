//! Outcomes of single messages.

use std::collections::BTreeSet;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use serde_json::json;

use crate::amqp_client::{
    AmqpClient, ReceivedMessage, orders, place, place_without_id, publish_orders,
};
use crate::schemas::Validators;
use crate::test_env::{TestEnv, eventually};

fn with_id(message_id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(message_id.into())
}

async fn next_dead_letter(amqp: &AmqpClient, env: &TestEnv) -> ReceivedMessage {
    amqp.next_of(&env.name_of("DEAD_LETTER_QUEUE")).await
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_command_for_a_missing_order_is_retried_and_then_dead_lettered() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;

    amqp.send("order.cancel", br#"{"order_id": "nowhere"}"#, with_id("c-1")).await;

    let dead_letter = next_dead_letter(&amqp, &env).await;
    assert_eq!(dead_letter.header("order-worker-code"), "order_not_found");
    assert_eq!(dead_letter.header("order-worker-attempts"), "4");
    assert_eq!(dead_letter.header("x-original-exchange"), env.name_of("COMMANDS_EXCHANGE"));
    assert_eq!(dead_letter.header("x-original-routingKey"), "order.cancel");
    assert_eq!(dead_letter.body, br#"{"order_id": "nowhere"}"#);
    assert_eq!(
        env.count("handled_messages").await,
        0,
        "a replay must not be taken for a duplicate"
    );
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_command_that_arrives_before_its_order_is_accepted_later() {
    let env = TestEnv::new().await;
    env.prepare();
    let amqp = AmqpClient::on(&env).await;
    amqp.send("order.set_next_status", br#"{"order_id": "7"}"#, with_id("n-1")).await;
    amqp.send("order.place", place("7").as_bytes(), with_id("p-1")).await;

    let worker = env.start_worker().await;

    eventually("both commands took effect", || async {
        env.ask("select status::text || version from orders").await == ["22"]
    })
    .await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn every_command_with_reply_to_gets_a_reply() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    let replies = amqp.queue_for_replies().await;
    let with_reply_to = |id: &str| {
        with_id(id).with_reply_to(replies.as_str().into()).with_correlation_id("cart-9".into())
    };
    let place = place_without_id();
    let steps = [
        ("order.place", place.as_str(), "p", "accepted", None),
        ("order.place", place.as_str(), "p", "duplicate", None),
        ("order.cancel", r#"{"order_id": 1000001}"#, "c", "accepted", None),
        (
            "order.cancel",
            r#"{"order_id": 1000001}"#,
            "d",
            "rejected",
            Some("OrderAlreadyCancelled"),
        ),
        ("order.cancel", r#"{"order_id": []}"#, "e", "dead_lettered", Some("invalid_field")),
    ];

    for (routing_key, body, id, outcome, code) in steps {
        amqp.send(routing_key, body.as_bytes(), with_reply_to(id)).await;
        let reply = amqp.next_of(&replies).await;

        let result = reply.json();
        Validators::default().assert_valid_as("CommandOutcome", &result);
        assert_eq!((&result["outcome"], &result["code"]), (&json!(outcome), &json!(code)));
        let order_id = (outcome != "dead_lettered").then_some("1000001");
        assert_eq!(result["order_id"], json!(order_id), "{result}");
        assert_eq!(reply.properties.correlation_id(), &Some("cart-9".into()));
    }
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dead_letter_keeps_its_bytes_and_properties() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    let mut headers = FieldTable::default();
    headers.insert("shop".into(), AMQPValue::LongString("eu".into()));
    let copies = FieldArray::from(vec![AMQPValue::LongString("nowhere".into())]);
    headers.insert("CC".into(), AMQPValue::FieldArray(copies));
    headers.insert("x-death".into(), AMQPValue::LongString("forged".into()));
    let properties = with_id("m-1")
        .with_type("PlaceOrder".into())
        .with_app_id("shop".into())
        .with_timestamp(1_700_000_000)
        .with_content_type("text/xml".into())
        .with_priority(7)
        .with_headers(headers);

    amqp.send("order.place", b"\xff\xfe<order/>", properties).await;

    let dead_letter = next_dead_letter(&amqp, &env).await;
    assert_eq!(dead_letter.body, b"\xff\xfe<order/>");
    assert_eq!(dead_letter.routing_key, "order.place");
    assert_eq!(dead_letter.header("order-worker-code"), "not_utf8");
    assert_eq!(dead_letter.header("shop"), "eu");
    assert_eq!(dead_letter.header("order-worker-original-priority"), "7");
    let kept = &dead_letter.properties;
    assert_eq!(kept.message_id(), &Some("m-1".into()));
    assert_eq!(kept.kind(), &Some("PlaceOrder".into()));
    assert_eq!(kept.app_id(), &Some("shop".into()));
    assert_eq!(kept.timestamp(), &Some(1_700_000_000));
    assert_eq!(kept.content_type(), &Some("text/xml".into()));
    assert_eq!(kept.priority(), &None);
    let names: Vec<&ShortString> = kept.headers().as_ref().unwrap().inner().keys().collect();
    assert!(!names.iter().any(|name| ["CC", "x-death"].contains(&name.as_str())), "{names:?}");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn malformed_messages_do_not_affect_other_messages() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    let huge = vec![b'['; 300 * 1024];
    let many_headers = (0..2_000).fold(FieldTable::default(), |mut table, n| {
        table.insert(format!("h{n}").into(), AMQPValue::LongString("twenty characters...".into()));
        table
    });

    publish_orders(&env, &orders(0..50)).await;
    amqp.send("order.place", &huge, BasicProperties::default()).await;
    amqp.send("order.place", b"", BasicProperties::default().with_headers(many_headers)).await;
    publish_orders(&env, &orders(50..100)).await;

    env.wait_for_count("orders", 100).await;
    // The frame that is too large costs the connection: unacknowledged messages are redelivered, so a
    // dead letter may come twice.
    let mut codes = BTreeSet::new();
    while codes.len() < 2 {
        codes.insert(next_dead_letter(&amqp, &env).await.header("order-worker-code"));
    }
    assert_eq!(codes, ["empty_body", "too_large"].map(str::to_owned).into());
    let larger_frames = worker.log().matches("A message needs larger frames").count();
    assert_eq!(larger_frames, 1, "the headers of one message did not fit into a frame");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_message_delivered_a_thousand_times_takes_effect_once() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;

    for _ in 0..1_000 {
        amqp.send("order.place", place("7").as_bytes(), with_id("p-1")).await;
    }
    amqp.send("order.place", place("8").as_bytes(), with_id("p-2")).await;

    env.wait_for_count("orders", 2).await;
    env.wait_for_count("outbox", 0).await;
    assert_eq!(env.count("order_history").await, 2);
    assert_eq!(env.count("handled_messages").await, 2);
    worker.stop().await;
    env.remove().await;
}
