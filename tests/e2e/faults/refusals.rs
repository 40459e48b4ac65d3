//! A database that rejects one message among many.

use lapin::BasicProperties;
use serde_json::{Value, json};

use crate::amqp_client::{AmqpClient, place};
use crate::http_api::client::{Client, Request};
use crate::test_env::{TestEnv, logged};
use crate::workload::assert_processes_new_orders;

/// Creates a trigger that raises an exception (P0001) for product 13.
async fn reject_product_13(env: &TestEnv) {
    env.execute(
        "create function reject() returns trigger language plpgsql as
             $$ begin raise exception 'product 13 is not sold'; end $$;
             create trigger reject before insert on order_items for each row
             when (new.product_id = '13') execute function reject()",
    )
    .await;
}

/// An order of one product.
fn of_product(order_id: &str, product_id: u32) -> String {
    let mut body: Value = serde_json::from_str(&place(order_id)).unwrap();
    body["items"][0]["product_id"] = json!(product_id);
    body.to_string()
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_message_that_a_trigger_rejects_is_the_only_dead_letter_among_sixty_orders() {
    let env = TestEnv::new().await;
    env.prepare();
    reject_product_13(&env).await;
    let amqp = AmqpClient::on(&env).await;
    for number in 0..60 {
        let body = of_product(&number.to_string(), if number == 26 { 13 } else { 1 });
        amqp.send("order.place", body.as_bytes(), BasicProperties::default()).await;
    }

    let worker = env.start_worker().await;

    env.wait_for_count("orders", 59).await;
    let dead_letter = amqp.next_of(&env.name_of("DEAD_LETTER_QUEUE")).await;
    assert_eq!(dead_letter.header("order-worker-code"), "internal_error");
    assert_eq!(dead_letter.json()["order_id"], "26");
    assert!(dead_letter.header("order-worker-detail").contains("P0001"));
    assert_processes_new_orders(&env).await;
    let log = worker.stop_and_read_log().await;
    assert!(!log.contains(logged::DATABASE_OUTAGE), "{log}");
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_message_that_keeps_failing_in_the_database_waits_and_others_are_processed() {
    let env = TestEnv::new().await;
    env.prepare();
    reject_product_13(&env).await;
    // As row-level security does.
    env.execute(
        "create or replace function reject() returns trigger language plpgsql as
             $$ begin raise exception 'forbidden' using errcode = '42501'; end $$",
    )
    .await;
    let amqp = AmqpClient::on(&env).await;
    for number in 0..60 {
        let body = of_product(&number.to_string(), if number == 26 { 13 } else { 1 });
        amqp.send("order.place", body.as_bytes(), BasicProperties::default()).await;
    }

    let worker = env.start_worker().await;

    env.wait_for_count("orders", 59).await;
    assert_processes_new_orders(&env).await;
    env.execute("drop trigger reject on order_items").await;
    env.wait_for_count("orders where order_id = '26'", 1).await;
    assert_eq!(env.python_client(&["dead-letters", "0"]), "");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_request_that_a_trigger_rejects_gets_500_and_others_succeed() {
    let env = TestEnv::new().await;
    env.prepare();
    reject_product_13(&env).await;
    let worker = env.start_worker_with(&["--http-addr=127.0.0.1:0"]).await;
    let client = Client::of_log(&worker.log()).unwrap();

    let requests: Vec<_> = (0..12)
        .map(|number| {
            let (client, product) = (client.clone(), if number == 3 { 13 } else { 1 });
            let body = of_product(&number.to_string(), product);
            tokio::task::spawn_blocking(move || {
                client.send(&Request::post("/api/orders").json(body)).status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.await.unwrap());
    }

    assert_eq!(statuses.remove(3), 500);
    assert_eq!(statuses, [201; 11]);
    worker.stop().await;
    env.remove().await;
}
