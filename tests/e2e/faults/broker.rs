//! A broker that blocks publishers, refuses messages, or loses exchanges and queues.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};

use crate::amqp_client::{AmqpClient, orders, place, publish_orders};
use crate::outages::{control, controlled_broker};
use crate::test_env::{TestEnv, eventually, logged, variable};
use crate::workload::{assert_processes_new_orders, subscribe, subscriber_of};

impl AmqpClient {
    pub async fn delete_queue(&self, queue: &str) {
        let options = QueueDeleteOptions::default();
        self.channel().queue_delete(queue.into(), options).await.unwrap();
    }

    async fn delete_exchange(&self, exchange: &str) {
        let options = ExchangeDeleteOptions::default();
        self.channel().exchange_delete(exchange.into(), options).await.unwrap();
    }

    pub async fn bind(&self, queue: &str, exchange: &str, routing_key: &str) {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let bound = self.channel().queue_bind(
            queue.into(),
            exchange.into(),
            routing_key.into(),
            options,
            arguments,
        );
        bound.await.unwrap();
    }

    async fn unbind(&self, queue: &str, exchange: &str, routing_key: &str) {
        let arguments = FieldTable::default();
        let unbound = self.channel().queue_unbind(
            queue.into(),
            exchange.into(),
            routing_key.into(),
            arguments,
        );
        unbound.await.unwrap();
    }

    /// Declares a queue that rejects messages beyond its maximum length.
    pub async fn declare_small_queue(&self, queue: &str, max_length: i32) {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(max_length));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel().queue_declare(queue.into(), durable, arguments).await.unwrap();
    }

    /// Reads a queue until this many messages with different ids have come.
    pub async fn read_distinct(&self, queue: &str, count: usize) {
        let mut ids = HashSet::new();
        while ids.len() < count {
            let dead_letter = self.next_of(queue).await;
            ids.insert(dead_letter.properties.message_id().as_ref().unwrap().to_string());
        }
    }

    /// Gets the first message of a queue and closes the channel, so that the broker requeues it.
    async fn get_and_requeue(&self, queue: &str) {
        let channel = self.connection().create_channel().await.unwrap();
        let got = channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap();
        assert!(got.is_some(), "{queue} is empty");
        channel.close(200, "requeue".into()).await.unwrap();
        self.wait_for_depth(queue, 1).await;
    }

    /// Places an order and advances its status.
    pub async fn place_and_advance(&self, order_id: &str) {
        self.send("order.place", place(order_id).as_bytes(), BasicProperties::default()).await;
        self.advance(order_id).await;
    }

    async fn advance(&self, order_id: &str) {
        let properties = BasicProperties::default();
        let properties = properties.with_message_id(format!("advance-{order_id}").into());
        let body = format!(r#"{{"order_id": "{order_id}"}}"#);
        self.send("order.set_next_status", body.as_bytes(), properties).await;
    }
}

/// All messages of a queue, including the unacknowledged ones.
fn messages_in(ctl: &str, queue: &str) -> usize {
    let queues = control(ctl, "rabbitmq", &["ctl", "-q", "list_queues", "name", "messages"]);
    let count = queues.lines().find_map(|line| line.strip_prefix(queue)?.trim().parse().ok());
    count.unwrap_or_else(|| panic!("no queue {queue}: {queues}"))
}

/// A memory alarm on the broker, until this is dropped, also by a failing test.
struct MemoryAlarm<'a> {
    ctl: &'a str,
}

impl<'a> MemoryAlarm<'a> {
    fn raise(ctl: &'a str) -> Self {
        let alarm = Self { ctl };
        alarm.set_watermark("0.00001");
        alarm
    }

    fn set_watermark(&self, share: &str) {
        control(self.ctl, "rabbitmq", &["ctl", "-q", "set_vm_memory_high_watermark", share]);
    }
}

impl Drop for MemoryAlarm<'_> {
    fn drop(&mut self) {
        self.set_watermark("0.4");
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_memory_alarm_delays_events_but_not_acknowledgements() {
    let Some(ctl) = controlled_broker() else { return };
    let urls = (variable("AMQP_URL"), variable("DATABASE_URL"));
    let env = TestEnv::exclusive_at(&urls.0, &urls.1).await;
    let worker = env.start_worker().await;
    subscribe(&env);
    worker.stop().await;
    // No malformed messages: a dead letter that is not confirmed holds up the acknowledgements behind it.
    let orders = orders(0..1_000);
    publish_orders(&env, &orders).await;
    let queue = env.name_of("COMMANDS_QUEUE");

    let alarm = MemoryAlarm::raise(&ctl);
    let began = Instant::now();
    let worker = env.spawn_worker();
    eventually("commands are acknowledged", || async {
        messages_in(&ctl, &queue) <= orders.len() - 100
    })
    .await;
    eventually("their events are in the outbox", || async { env.count("outbox").await > 100 })
        .await;
    // Longer than the confirm timeout of a broker that does not block.
    tokio::time::sleep(Duration::from_secs(32).saturating_sub(began.elapsed())).await;
    drop(alarm);

    let amqp = AmqpClient::on(&env).await;
    amqp.read_distinct(&subscriber_of(&env), orders.len()).await;
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn only_unroutable_events_stay_in_the_outbox() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&["--keep-unroutable-events"]).await;
    let (amqp, queue) = (AmqpClient::on(&env).await, subscriber_of(&env));
    let events = env.name_of("EVENTS_EXCHANGE");
    subscribe(&env);
    amqp.unbind(&queue, &events, "order.#").await;
    amqp.bind(&queue, &events, "order.status.received").await;

    for n in 0..20 {
        amqp.place_and_advance(&n.to_string()).await;
    }

    let unroutable = "outbox where routing_key = 'order.status.processing'";
    eventually("only unroutable events are in the outbox", || async {
        env.count("orders where version = 2").await == 20 && env.count("outbox").await == 20
    })
    .await;
    assert_eq!(env.count(unroutable).await, 20);
    amqp.bind(&queue, &events, "order.#").await;
    let got = env.python_client(&["events", &queue, "40"]);
    let versions: BTreeSet<&str> = got.lines().collect();
    assert!(versions.len() >= 40, "{got}");
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_deleted_events_exchange_is_declared_again_and_no_event_is_lost() {
    let env = TestEnv::new().await;
    let worker = env.start_worker_with(&["--keep-unroutable-events"]).await;
    let amqp = AmqpClient::on(&env).await;
    subscribe(&env);
    // A publisher declares a missing exchange at its first publish. So each one first publishes events of
    // orders that it also publishes events of without the exchange.
    publish_orders(&env, &orders(0..20)).await;
    eventually("the events are published and nothing is left to the relay", || async {
        amqp.depth(&subscriber_of(&env)).await == 20 && env.count("outbox").await == 0
    })
    .await;

    amqp.delete_exchange(&env.name_of("EVENTS_EXCHANGE")).await;
    for n in 0..20 {
        amqp.advance(&n.to_string()).await;
    }

    worker.wait_for_log(logged::PUBLISHING_STOPPED).await;
    worker.wait_for_log(logged::PUBLISHING_RESUMED).await;
    subscribe(&env);
    let got = env.python_client(&["events", &subscriber_of(&env), "40"]);
    assert!(got.lines().count() >= 40, "{got}");
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn events_for_a_full_subscriber_are_delayed_but_not_lost() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    let full = format!("{}.full", env.name_of("EVENTS_EXCHANGE"));
    amqp.declare_small_queue(&full, 5).await;
    amqp.bind(&full, &env.name_of("EVENTS_EXCHANGE"), "order.#").await;

    publish_orders(&env, &orders(0..20)).await;

    worker.wait_for_log(logged::EVENTS_REFUSED).await;
    env.wait_for_count("orders", 20).await;
    let unconfirmed = env.count("outbox").await;
    assert!(unconfirmed >= 15, "{unconfirmed} in the outbox");
    amqp.read_distinct(&full, 20).await;
    amqp.delete_queue(&full).await;
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_deleted_commands_queue_is_declared_and_consumed_again() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    assert_processes_new_orders(&env).await;

    AmqpClient::on(&env).await.delete_queue(&env.name_of("COMMANDS_QUEUE")).await;

    worker.wait_for_log("the broker cancelled the consumer").await;
    eventually("the worker is ready again", || async { env.is_ready() }).await;
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn dead_letters_are_kept_until_their_queue_exists_again() {
    let env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    let dead_letters = env.name_of("DEAD_LETTER_QUEUE");
    // The publisher of dead letters declares a missing queue at its first publish: have that behind it.
    amqp.send("order.place", b"{oops", BasicProperties::default()).await;
    amqp.next_of(&dead_letters).await;
    amqp.delete_queue(&dead_letters).await;
    amqp.delete_exchange(&env.name_of("DEAD_LETTER_EXCHANGE")).await;

    for n in 0..5 {
        amqp.send("order.place", format!("{{oops {n}").as_bytes(), BasicProperties::default())
            .await;
    }

    worker.wait_for_log(logged::PUBLISHING_STOPPED).await;
    worker.wait_for_log(logged::PUBLISHING_RESUMED).await;
    let mut bodies = BTreeSet::new();
    while bodies.len() < 5 {
        bodies.insert(amqp.next_of(&dead_letters).await.body);
    }
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn dead_letters_wait_for_room_in_a_full_queue() {
    let env = TestEnv::new().await;
    env.prepare();
    let amqp = AmqpClient::on(&env).await;
    let dead_letters = env.name_of("DEAD_LETTER_QUEUE");
    amqp.delete_queue(&dead_letters).await;
    amqp.declare_small_queue(&dead_letters, 1).await;
    amqp.bind(&dead_letters, &env.name_of("DEAD_LETTER_EXCHANGE"), "#").await;
    // A worker that declares the topology would refuse this queue.
    let worker = env.start_worker_with(&["--declare-topology=false"]).await;

    for n in 0..5 {
        amqp.send("order.place", format!("{{oops {n}").as_bytes(), BasicProperties::default())
            .await;
    }

    worker.wait_for_log(logged::COPIES_REFUSED).await;
    let mut bodies = BTreeSet::new();
    while bodies.len() < 5 {
        bodies.insert(amqp.next_of(&dead_letters).await.body);
    }
    assert_processes_new_orders(&env).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn dead_letters_survive_any_number_of_redeliveries() {
    let mut env = TestEnv::new().await;
    let worker = env.start_worker().await;
    let amqp = AmqpClient::on(&env).await;
    let dead_letters = env.name_of("DEAD_LETTER_QUEUE");
    amqp.send("order.place", b"{oops", BasicProperties::default()).await;
    amqp.wait_for_depth(&dead_letters, 1).await;

    // Since RabbitMQ 4.0, the default delivery limit drops a message at its 21st delivery.
    for _ in 0..25 {
        amqp.get_and_requeue(&dead_letters).await;
    }
    worker.stop().await;
    env.enable_collector();
    let worker = env.start_worker().await;

    env.wait_for_count("dead_letters", 1).await;
    worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dead_letter_queue_that_drops_redelivered_messages_is_rejected() {
    let env = TestEnv::new().await;
    env.prepare();
    let amqp = AmqpClient::on(&env).await;
    let dead_letters = env.name_of("DEAD_LETTER_QUEUE");
    amqp.delete_queue(&dead_letters).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(-1));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    amqp.channel().queue_declare(dead_letters.as_str().into(), durable, arguments).await.unwrap();
    let exchange = env.name_of("DEAD_LETTER_EXCHANGE");
    amqp.bind(&dead_letters, &exchange, "#").await;
    let publish = amqp.channel().basic_publish(
        exchange.as_str().into(),
        "order.place".into(),
        BasicPublishOptions::default(),
        b"{oops",
        BasicProperties::default(),
    );
    assert!(publish.await.unwrap().await.unwrap().is_ack());

    let check = env.program(&["topology", "check"]).output().unwrap();

    let findings = String::from_utf8(check.stdout).unwrap();
    let drops_redelivered = {
        let channel = amqp.connection().create_channel().await.unwrap();
        let get = BasicGetOptions::default();
        assert!(channel.basic_get(dead_letters.as_str().into(), get).await.unwrap().is_some());
        channel.close(200, "requeue".into()).await.unwrap();
        let again = amqp.channel().basic_get(dead_letters.as_str().into(), get).await.unwrap();
        again.is_none()
    };
    assert_eq!(check.status.success(), !drops_redelivered, "{findings}");
    if drops_redelivered {
        assert!(
            findings.contains(&dead_letters) && findings.contains("x-delivery-limit"),
            "{findings}"
        );
        let run = env.program(&["run"]).output().unwrap();
        assert_eq!(run.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&run.stderr).contains("x-delivery-limit"));
    }
    env.remove().await;
}
