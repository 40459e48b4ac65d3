//! Replies, which may be lost and must not hold up anything.

use order_worker::metrics::Metrics;
use order_worker::service_layer::{
    ByteBudget, Health, OutboxMessageKind, PublishResult, PublishStatus, ReplyPublisher,
    ReplySender, Target,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::{FakeBroker, outgoing, seconds_since, to};
use crate::scrape::Scrape;

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_refused_is_tried_three_times_and_given_up() {
    let mut line = Line::new();
    line.broker.says("full", PublishStatus::Refused);

    line.reply_to("full", "hopeless");

    assert_eq!(line.next_done().await, 1);
    assert_eq!(line.broker.attempts("hopeless"), 3);
    assert_eq!(line.dropped("refused"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_had_no_room_for_a_moment_gets_its_reply() {
    let mut line = Line::new();
    line.broker.says("full", PublishStatus::Refused);
    line.reply_to("full", "patient");
    sleep(Duration::from_secs(1)).await;

    line.broker.says("full", PublishStatus::Confirmed);

    assert_eq!(line.next_done().await, 1);
    assert_eq!((line.broker.attempts("patient"), line.dropped("refused")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_never_confirms_is_given_up_within_ten_seconds() {
    let mut line = Line::new();
    line.broker.says("silent", PublishStatus::Unconfirmed);
    let began = Instant::now();

    line.reply_to("silent", "hopeless");

    assert_eq!(line.next_done().await, 1);
    assert!(seconds_since(began) <= 12, "after {} s", seconds_since(began));
    assert_eq!(line.dropped("unconfirmed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_waits_for_its_next_attempt_without_holding_up_others() {
    let mut line = Line::new();
    line.broker.says("full", PublishStatus::Refused);
    line.reply_to("full", "hopeless");
    sleep(Duration::from_millis(10)).await;
    let began = Instant::now();

    line.reply_to("healthy", "fine");

    assert_eq!((line.next_done().await, seconds_since(began)), (1, 0));
    assert_eq!(line.broker.attempts("fine"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_given_up_gets_one_attempt_for_a_while() {
    let mut line = Line::new();
    line.broker.says("full", PublishStatus::Refused);
    line.reply_to("full", "first");
    line.next_done().await;

    for _ in 0..1_000 {
        line.reply_to("full", "next");
    }
    let began = Instant::now();
    let mut done = 0;
    while done < 1_000 {
        done += line.next_done().await;
    }
    assert_eq!(line.dropped("refused"), 1_001);
    assert_eq!((seconds_since(began), line.broker.attempts("next")), (0, 1_000));

    sleep(Duration::from_secs(61)).await;
    line.reply_to("full", "later");
    line.next_done().await;
    assert_eq!(line.broker.attempts("later"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_a_queue_and_one_to_the_workers_own_queue_are_dropped_at_once() {
    let mut line = Line::new();
    line.broker.says("gone", PublishStatus::Unroutable);
    line.broker.says("orders.commands", PublishStatus::OwnQueue);
    let began = Instant::now();

    line.reply_to("gone", "a");
    line.next_done().await;
    line.reply_to("orders.commands", "b");
    line.next_done().await;

    assert_eq!((line.dropped("unroutable"), line.dropped("own_queue")), (1, 1));
    assert_eq!(seconds_since(began), 0);
}

#[tokio::test(start_paused = true)]
async fn replies_that_wait_are_bounded_in_memory() {
    let line = Line::new();
    line.broker.says("silent", PublishStatus::Unconfirmed);
    let large = "x".repeat(1024 * 1024);
    let reply = |body: &str| outgoing(OutboxMessageKind::Reply, "silent", body);

    let sent = (0..20).filter(|_| line.replies.send_stored(0, reply(&large)).is_ok()).count();
    line.replies.send(to(Target::Queue { name: "silent".to_owned() }, &large));

    assert!((10..20).contains(&sent), "{sent} of 20 MiB");
    assert_eq!(line.dropped("overflow"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_does_not_wait_for_hopeless_replies() {
    for status in [PublishStatus::Refused, PublishStatus::Unconfirmed] {
        let line = Line::new();
        line.broker.says("hopeless", status);
        line.reply_to("hopeless", "a");
        sleep(Duration::from_millis(10)).await;

        drop(line.replies);

        timeout(Duration::from_secs(3), line.task).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_publishes_the_replies_that_are_taken() {
    let line = Line::new();
    for n in 0..5_000 {
        line.reply_to("healthy", &n.to_string());
    }

    drop(line.replies);
    line.task.await.unwrap();

    assert_eq!(line.broker.windows().iter().map(Vec::len).sum::<usize>(), 5_000);
}

/// A reply publisher at work, with one lane.
struct Line {
    broker: FakeBroker,
    replies: ReplySender,
    results: mpsc::UnboundedReceiver<PublishResult>,
    metrics: Metrics,
    task: JoinHandle<()>,
}

impl Line {
    fn new() -> Self {
        let (broker, health) = (FakeBroker::default(), Health::default());
        let metrics = health.metrics().clone();
        let (results_in, results) = mpsc::unbounded_channel();
        let (replies, publisher) = ReplyPublisher::new(
            Box::new(broker.clone()),
            health,
            vec![results_in],
            ByteBudget::new(16 * 1024 * 1024),
        );
        Self { broker, replies, results, metrics, task: tokio::spawn(publisher.run()) }
    }

    fn reply_to(&self, queue: &str, body: &str) {
        self.replies.send_stored(0, outgoing(OutboxMessageKind::Reply, queue, body)).unwrap();
    }

    /// Waits until replies leave the outbox; returns how many.
    async fn next_done(&mut self) -> usize {
        let done = timeout(Duration::from_mins(1), self.results.recv()).await.unwrap().unwrap();
        done.confirmed.len()
    }

    fn dropped(&self, reason: &str) -> usize {
        let scrape = Scrape::parse(&self.metrics.text());
        let dropped =
            scrape.value("order_worker_replies_dropped_total", &[("reason", reason)]).unwrap();
        format!("{dropped}").parse().unwrap()
    }
}
