//! The contract of a broker, on RabbitMQ and on the in-process broker.

use std::time::Duration;

use order_worker::adapters::in_process::InProcessBroker;
use order_worker::adapters::rabbitmq::{RabbitMq, Topology};
use order_worker::messages::{ConsumedQueue, Properties, Publication, PublishStatus, Target};
use order_worker::service_layer::{
    ByteBudget, CommandSource, Delivery, Health, IntakeBounds, Publisher, Settlement,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::test_env::{ServerAccess, variable};

const SOON: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(300);

/// A broker for one test.
enum Broker {
    RabbitMq { broker: Box<RabbitMq>, _access: ServerAccess },
    InProcess(InProcessBroker),
}

impl Broker {
    fn in_process() -> Self {
        Self::InProcess(InProcessBroker::new(vec![Duration::from_millis(50)]))
    }

    async fn rabbitmq() -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let topology = Topology {
            commands_exchange: format!("{name}.commands"),
            commands_queue: format!("{name}.commands"),
            events_exchange: format!("{name}.events"),
            dead_letter_exchange: format!("{name}.dead-letter"),
            dead_letter_queue: format!("{name}.dead-letter"),
            retry_delays: vec![Duration::from_millis(50)],
            delivery_limit: 100,
            partitions: 1,
            ordered: true,
        };
        let access = ServerAccess::shared().await;
        let broker = RabbitMq::new(&variable("AMQP_URL"), topology, true).unwrap();
        broker.prepare().await.unwrap();
        Self::RabbitMq { broker: Box::new(broker), _access: access }
    }

    fn consume(&self, prefetch: u16, stop: &CancellationToken) -> (CommandSource, JoinHandle<()>) {
        match self {
            Self::RabbitMq { broker, .. } => {
                let bounds = IntakeBounds { prefetch, bytes: ByteBudget::new(1024 * 1024) };
                broker.consume(ConsumedQueue::Commands, bounds, Health::default(), stop.clone())
            }
            Self::InProcess(broker) => broker.consume(prefetch, stop.clone()),
        }
    }

    async fn publish(&self, window: &[Publication]) -> Vec<PublishStatus> {
        match self {
            Self::RabbitMq { broker, .. } => broker.publisher().publish(window).await.unwrap(),
            Self::InProcess(broker) => broker.publisher().publish(window).await.unwrap(),
        }
    }

    async fn publish_commands(&self, bodies: &[&str]) {
        let window: Vec<_> = bodies.iter().map(|body| to(command(), body)).collect();
        assert_eq!(self.publish(&window).await, vec![PublishStatus::Confirmed; bodies.len()]);
    }
}

fn command() -> Target {
    Target::Commands { routing_key: "order.place".to_owned() }
}

fn to(target: Target, body: &str) -> Publication {
    let properties = Properties { message_id: Some(body.to_owned()), ..Properties::default() };
    Publication { target, properties, body: body.as_bytes().to_vec() }
}

async fn next(source: &mut CommandSource) -> Delivery {
    timeout(SOON, source.deliveries.recv()).await.expect("a delivery in time").unwrap()
}

fn ack(source: &CommandSource, deliveries: &[Delivery]) {
    source.settlements.send(deliveries.iter().map(|it| Settlement::Ack(it.tag)).collect()).unwrap();
}

fn body_of(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.envelope.body).unwrap()
}

async fn commands_are_delivered_in_order_and_up_to_the_prefetch(broker: Broker) {
    let stop = CancellationToken::new();
    let (mut source, ended) = broker.consume(2, &stop);
    broker.publish_commands(&["a", "b", "c"]).await;

    let (first, second) = (next(&mut source).await, next(&mut source).await);

    assert_eq!((body_of(&first), body_of(&second)), ("a", "b"));
    assert!(timeout(QUIET, source.deliveries.recv()).await.is_err(), "more than the prefetch");
    ack(&source, &[second]);
    let third = next(&mut source).await;
    assert_eq!(body_of(&third), "c");
    ack(&source, &[first, third]);
    stop.cancel();
    drop(source);
    timeout(SOON, ended).await.unwrap().unwrap();
}

async fn a_retry_is_redelivered_after_its_delay(broker: Broker) {
    let stop = CancellationToken::new();
    let (mut source, ended) = broker.consume(10, &stop);

    let confirmed = broker.publish(&[to(Target::Retry { attempt: 1 }, "again")]).await;

    assert_eq!(confirmed, [PublishStatus::Confirmed]);
    let again = next(&mut source).await;
    assert_eq!(body_of(&again), "again");
    ack(&source, &[again]);
    stop.cancel();
    drop(source);
    timeout(SOON, ended).await.unwrap().unwrap();
}

async fn an_event_without_subscribers_is_unroutable(broker: Broker) {
    let event = Target::Events { routing_key: "order.status.received".to_owned() };
    let window = [to(command(), "a"), to(event, "event"), to(command(), "b")];

    let confirmations = broker.publish(&window).await;

    assert_eq!(
        confirmations,
        [PublishStatus::Confirmed, PublishStatus::Unroutable, PublishStatus::Confirmed]
    );
}

async fn a_source_ends_when_it_is_stopped(broker: Broker) {
    let stop = CancellationToken::new();
    let (mut source, ended) = broker.consume(10, &stop);
    broker.publish_commands(&["a"]).await;
    let begun = next(&mut source).await;

    stop.cancel();

    assert!(timeout(SOON, source.deliveries.recv()).await.unwrap().is_none());
    ack(&source, &[begun]);
    drop(source);
    timeout(SOON, ended).await.unwrap().unwrap();
}

macro_rules! on_both {
    ($($claim:ident),* $(,)?) => {
        mod in_process {
            $(#[tokio::test]
            async fn $claim() {
                super::$claim(super::Broker::in_process()).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            #[ignore = "needs RabbitMQ: make test"]
            async fn $claim() {
                super::$claim(super::Broker::rabbitmq().await).await;
            })*
        }
    };
}

on_both!(
    commands_are_delivered_in_order_and_up_to_the_prefetch,
    a_retry_is_redelivered_after_its_delay,
    an_event_without_subscribers_is_unroutable,
    a_source_ends_when_it_is_stopped,
);

#[tokio::test]
#[ignore = "needs RabbitMQ: make test"]
async fn unsettled_deliveries_are_requeued_by_the_broker() {
    let broker = Broker::rabbitmq().await;
    let stop = CancellationToken::new();
    let (mut source, ended) = broker.consume(10, &stop);
    broker.publish_commands(&["a", "b", "c"]).await;
    let deliveries = [next(&mut source).await, next(&mut source).await, next(&mut source).await];

    ack(&source, &deliveries[1..2]);
    stop.cancel();
    drop(source);
    timeout(SOON, ended).await.unwrap().unwrap();

    let (mut source, _ended) = broker.consume(10, &CancellationToken::new());
    let again = [next(&mut source).await, next(&mut source).await];
    assert_eq!(again.each_ref().map(body_of), ["a", "c"]);
    assert!(again.iter().all(|delivery| delivery.redelivered));
}

#[tokio::test]
#[ignore = "needs RabbitMQ: make test"]
async fn each_unroutable_message_of_a_large_window_is_found() {
    let broker = Broker::rabbitmq().await;
    let Broker::RabbitMq { broker: rabbitmq, .. } = &broker else { panic!() };
    let _subscriber = rabbitmq.subscribe(&["order.status.#".to_owned()]).await.unwrap();
    let event = |n: usize| {
        let word =
            if n.is_multiple_of(7) { "order.rejected.cancel" } else { "order.status.received" };
        to(Target::Events { routing_key: word.to_owned() }, &n.to_string())
    };
    let window: Vec<Publication> = (0..500).map(event).collect();

    let confirmations = broker.publish(&window).await;

    for (n, confirmation) in confirmations.into_iter().enumerate() {
        let expected =
            if n.is_multiple_of(7) { PublishStatus::Unroutable } else { PublishStatus::Confirmed };
        assert_eq!(confirmation, expected, "message {n}");
    }
}
