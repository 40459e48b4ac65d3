//! The reply publisher: replies may be lost, but must not hold up anything.

use order_worker::messages::{OutboxMessageKind, PublishStatus, Target};
use order_worker::metrics::Metrics;
use order_worker::service_layer::{ByteBudget, Health, PublishResult, ReplyPublisher, ReplySender};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::{FakeBroker, outgoing, seconds_since, to};
use crate::scrape::Scrape;

#[tokio::test(start_paused = true)]
async fn a_refused_reply_is_dropped_after_three_attempts() {
    let mut publisher = RunningReplyPublisher::new();
    publisher.broker.set_status("full", PublishStatus::Refused);

    publisher.reply_to("full", "hopeless");

    assert_eq!(publisher.next_done().await, 1);
    assert_eq!(publisher.broker.attempts("hopeless"), 3);
    assert_eq!(publisher.dropped("refused"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_briefly_full_queue_gets_its_reply() {
    let mut publisher = RunningReplyPublisher::new();
    publisher.broker.set_status("full", PublishStatus::Refused);
    publisher.reply_to("full", "patient");
    sleep(Duration::from_secs(1)).await;

    publisher.broker.set_status("full", PublishStatus::Confirmed);

    assert_eq!(publisher.next_done().await, 1);
    assert_eq!((publisher.broker.attempts("patient"), publisher.dropped("refused")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_never_confirmed_is_dropped_within_ten_seconds() {
    let mut publisher = RunningReplyPublisher::new();
    publisher.broker.set_status("silent", PublishStatus::Unconfirmed);
    let began = Instant::now();

    publisher.reply_to("silent", "hopeless");

    assert_eq!(publisher.next_done().await, 1);
    assert!(seconds_since(began) <= 12, "after {} s", seconds_since(began));
    assert_eq!(publisher.dropped("unconfirmed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_waits_for_its_next_attempt_delays_no_others() {
    let mut publisher = RunningReplyPublisher::new();
    publisher.broker.set_status("full", PublishStatus::Refused);
    publisher.reply_to("full", "hopeless");
    sleep(Duration::from_millis(10)).await;
    let began = Instant::now();

    publisher.reply_to("healthy", "fine");

    assert_eq!((publisher.next_done().await, seconds_since(began)), (1, 0));
    assert_eq!(publisher.broker.attempts("fine"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_reply_queue_gets_single_attempts_for_a_minute() {
    let mut publisher = RunningReplyPublisher::new();
    publisher.broker.set_status("full", PublishStatus::Refused);
    publisher.reply_to("full", "first");
    publisher.next_done().await;

    for _ in 0..1_000 {
        publisher.reply_to("full", "next");
    }
    let began = Instant::now();
    let mut done = 0;
    while done < 1_000 {
        done += publisher.next_done().await;
    }
    assert_eq!(publisher.dropped("refused"), 1_001);
    assert_eq!((seconds_since(began), publisher.broker.attempts("next")), (0, 1_000));

    sleep(Duration::from_secs(61)).await;
    publisher.reply_to("full", "later");
    publisher.next_done().await;
    assert_eq!(publisher.broker.attempts("later"), 3);
}

#[tokio::test(start_paused = true)]
async fn replies_to_missing_queues_and_own_queues_are_dropped_at_once() {
    let mut publisher = RunningReplyPublisher::new();
    publisher.broker.set_status("gone", PublishStatus::Unroutable);
    publisher.broker.set_status("orders.commands", PublishStatus::OwnQueue);
    let began = Instant::now();

    publisher.reply_to("gone", "a");
    publisher.next_done().await;
    publisher.reply_to("orders.commands", "b");
    publisher.next_done().await;

    assert_eq!((publisher.dropped("unroutable"), publisher.dropped("own_queue")), (1, 1));
    assert_eq!(seconds_since(began), 0);
}

#[tokio::test(start_paused = true)]
async fn waiting_replies_are_bounded_in_memory() {
    let publisher = RunningReplyPublisher::new();
    publisher.broker.set_status("silent", PublishStatus::Unconfirmed);
    let large = "x".repeat(1024 * 1024);
    let reply = |body: &str| outgoing(OutboxMessageKind::Reply, "silent", body);

    let sent = (0..20).filter(|_| publisher.replies.send_stored(0, reply(&large)).is_ok()).count();
    publisher.replies.send(to(Target::Queue { name: "silent".to_owned() }, &large));

    assert!((10..20).contains(&sent), "{sent} of 20 MiB");
    assert_eq!(publisher.dropped("overflow"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_undeliverable_replies() {
    for status in [PublishStatus::Refused, PublishStatus::Unconfirmed] {
        let publisher = RunningReplyPublisher::new();
        publisher.broker.set_status("hopeless", status);
        publisher.reply_to("hopeless", "a");
        sleep(Duration::from_millis(10)).await;

        drop(publisher.replies);

        timeout(Duration::from_secs(3), publisher.task).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_publishes_the_replies_that_can_be_delivered() {
    let publisher = RunningReplyPublisher::new();
    for n in 0..5_000 {
        publisher.reply_to("healthy", &n.to_string());
    }

    drop(publisher.replies);
    publisher.task.await.unwrap();

    assert_eq!(publisher.broker.windows().iter().map(Vec::len).sum::<usize>(), 5_000);
}

/// A running reply publisher of one lane.
struct RunningReplyPublisher {
    broker: FakeBroker,
    replies: ReplySender,
    results: mpsc::UnboundedReceiver<PublishResult>,
    metrics: Metrics,
    task: JoinHandle<()>,
}

impl RunningReplyPublisher {
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
