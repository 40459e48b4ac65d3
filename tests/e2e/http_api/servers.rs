//! The API with real servers: together with the queue, and during outages.

use lapin::BasicProperties;

use super::client::{Client, Request};
use super::test_worker::{cart, order};
use crate::amqp_client::AmqpClient;
use crate::schemas::Validators;
use crate::tcp_proxy::{TcpProxy, host_of};
use crate::test_env::{TestEnv, Worker, eventually, variable};
use crate::workload::{subscribe, subscriber_of};

const HTTP: &[&str] = &["--http-addr=127.0.0.1:0"];

fn client_of(worker: &Worker) -> Client {
    Client::of_log(&worker.log()).expect("the worker logs its address")
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_command_over_http_causes_the_same_event_as_one_from_the_queue() {
    let env = TestEnv::new().await;
    env.prepare();
    subscribe(&env);
    let worker = env.start_worker_with(HTTP).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::post("/api/orders").json(order("7")).key("cart-9");
    let request = request.header("X-Correlation-ID", "visit-1").header("traceparent", trace);

    assert_eq!(client_of(&worker).send(&request).status, 201);

    let event = AmqpClient::on(&env).await.next_of(&subscriber_of(&env)).await;
    Validators::default().assert_valid(&event.json());
    assert_eq!(event.routing_key, "order.status.received");
    assert_eq!(
        (&event.json()["order_id"], &event.json()["caused_by"]),
        (&"7".into(), &"cart-9".into())
    );
    assert_eq!(event.properties.correlation_id(), &Some("visit-1".into()));
    assert_eq!(event.header("traceparent"), trace);
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_command_sent_over_http_and_from_the_queue_takes_effect_once() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(HTTP).await;
    let client = client_of(&worker);
    let amqp = AmqpClient::on(&env).await;
    let body = cart().to_string();
    let first = client.send(&Request::post("/api/orders").json(&body).key("cart-9"));

    let properties = BasicProperties::default().with_message_id("cart-9".into());
    let replies = amqp.queue_for_replies().await;
    let asking = properties.with_reply_to(replies.as_str().into());
    amqp.send("order.place", body.as_bytes(), asking).await;

    let reply = amqp.next_of(&replies).await.json();
    assert_eq!(
        (&reply["outcome"], &reply["order_id"]),
        (&"duplicate".into(), &first.json()["order_id"])
    );
    assert_eq!(env.count("orders").await, 1);
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn orders_are_accepted_during_a_broker_outage_and_published_after_it() {
    let proxy = TcpProxy::to(host_of(&variable("AMQP_URL")));
    let amqp_url = proxy.url_for(&variable("AMQP_URL"));
    let env = TestEnv::at_addresses(&amqp_url, &variable("DATABASE_URL")).await;
    env.prepare();
    subscribe(&env);
    let worker = env.start_worker_with(HTTP).await;
    proxy.cut();

    let answers: Vec<u16> = (0..20)
        .map(|n| client_of(&worker).send(&Request::post("/api/orders").json(order(n))).status)
        .collect();

    assert_eq!(answers, [201; 20]);
    assert_eq!(env.count("outbox").await, 20);
    proxy.restore();
    let amqp = AmqpClient::on(&env).await;
    let mut events = std::collections::BTreeSet::new();
    while events.len() < 20 {
        let event = amqp.next_of(&subscriber_of(&env)).await.json();
        events.insert(event["order_id"].as_str().unwrap().to_owned());
    }
    eventually("the outbox is empty", || async { env.count("outbox").await == 0 }).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dead_letter_is_the_outcome_of_its_message() {
    let env = TestEnv::collecting().await;
    let worker = env.start_worker_with(HTTP).await;
    let client = client_of(&worker);
    let amqp = AmqpClient::on(&env).await;
    let properties = BasicProperties::default().with_message_id("m-1".into());

    amqp.send("order.place", br#"{"items": []}"#, properties).await;

    let asked = || client.get("/api/messages/m-1");
    eventually("it is in the table", || async { asked().status == 200 }).await;
    let message = asked().json();
    assert_eq!(
        (&message["outcome"], &message["code"]),
        (&"dead_lettered".into(), &"missing_field".into())
    );
    assert_eq!(message["detail"], "order_customer is missing");
    worker.stop().await;
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_database_outage_is_a_503_until_it_ends() {
    let proxy = TcpProxy::to(host_of(&variable("DATABASE_URL")));
    let database_url = proxy.url_for(&variable("DATABASE_URL"));
    let env = TestEnv::at_addresses(&variable("AMQP_URL"), &database_url).await;
    let worker = env.start_worker_with(HTTP).await;
    let client = client_of(&worker);
    client.place(&order("7"));
    proxy.cut();

    let away = client.get("/api/orders/7");

    assert_eq!(away.problem().0, 503);
    assert!(away.header("retry-after").is_some());
    assert!(!away.body.contains("onnection"), "{}", away.body);
    proxy.restore();
    eventually("it is answered again", || async { client.get("/api/orders/7").status == 200 })
        .await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn thousands_of_orders_are_one_list() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(HTTP).await;
    let client = client_of(&worker);
    client.place(&order("template"));
    env
        .execute(
            "insert into orders select 'o' || n, customer_id, customer_name, customer_email, total,
                    status, created_at - n / 7 * interval '1 ms', last_updated, version
             from orders, generate_series(1, 2000) n;
             insert into order_items select 'o' || n, line, product_id, name, quantity, price_per_unit
             from order_items, generate_series(1, 2000) n",
        )
        .await;

    for path in ["/api/customer/14/orders/get/", "/api/order/status/1/get/"] {
        let listed = client.get(path).json();
        let ids: std::collections::BTreeSet<_> =
            listed.as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap()).collect();
        assert_eq!((ids.len(), listed.as_array().unwrap().len()), (2_001, 2_001), "{path}");
    }
    worker.stop().await;
    env.remove().await;
}
