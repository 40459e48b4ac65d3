//! The republisher: copies of commands for retry queues and the dead-letter queue.

use order_worker::messages::{DeadLetterCode, PublishStatus, Target};
use order_worker::service_layer::{
    ByteBudget, ChannelEpoch, CopyPublisher, DeliveryTag, Health, OnConfirm, ReplyPublisher,
    Republish, Republisher, Settlement,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use super::{FakeBroker, to};

const DEAD_LETTERS: &str = "dead letters";

#[tokio::test(start_paused = true)]
async fn a_full_dead_letter_queue_delays_no_retry() {
    let republisher = RunningRepublisher::new();
    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Refused);

    republisher.copy(1, dead_letters(), "dead");
    republisher.copy(2, Target::Retry { attempt: 1 }, "retried");
    sleep(Duration::from_secs(60)).await;
    republisher.copy(3, Target::Retry { attempt: 1 }, "later");
    sleep(Duration::from_millis(10)).await;

    assert_eq!(republisher.settled(), [2, 3]);
    let attempts = republisher.broker.attempts("dead");
    assert!((10..40).contains(&attempts), "{attempts} attempts within a minute");
}

#[tokio::test(start_paused = true)]
async fn only_unconfirmed_copies_are_published_again() {
    let republisher = RunningRepublisher::new();
    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Refused);
    republisher.copy(1, dead_letters(), "dead");
    republisher.copy(2, Target::Retry { attempt: 1 }, "retried");
    sleep(Duration::from_secs(1)).await;

    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Confirmed);
    sleep(Duration::from_secs(10)).await;

    assert_eq!(republisher.settled(), [1, 2]);
    assert_eq!(republisher.broker.attempts("retried"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_without_a_queue_is_republished_until_the_queue_exists() {
    let republisher = RunningRepublisher::new();
    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Unroutable);
    republisher.copy(1, dead_letters(), "dead");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(republisher.settled(), [0; 0]);

    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Confirmed);
    sleep(Duration::from_secs(10)).await;

    assert_eq!(republisher.settled(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_requeued_delivery_is_dropped() {
    let republisher = RunningRepublisher::new();
    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Refused);
    republisher.copy(1, dead_letters(), "dead");
    sleep(Duration::from_secs(1)).await;

    let _channel = republisher.channel_epoch.next();
    sleep(Duration::from_secs(60)).await;
    let attempts = republisher.broker.attempts("dead");
    sleep(Duration::from_secs(60)).await;

    assert_eq!(republisher.broker.attempts("dead"), attempts);
}

#[tokio::test(start_paused = true)]
async fn a_refused_reply_does_not_delay_the_acknowledgement_of_a_dead_letter() {
    let republisher = RunningRepublisher::new();
    republisher.broker.set_status("full", PublishStatus::Refused);

    republisher.copy(1, dead_letters(), "dead");
    sleep(Duration::from_millis(10)).await;

    assert_eq!(republisher.settled(), [1]);
    assert_eq!(republisher.broker.attempts("reply"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_retries_a_refused_copy_once_and_then_leaves_it() {
    let mut republisher = RunningRepublisher::new();
    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Refused);
    republisher.copy(1, dead_letters(), "dead");
    republisher.copy(2, Target::Retry { attempt: 1 }, "retried");
    sleep(Duration::from_secs(60)).await;
    let attempts = republisher.broker.attempts("dead");

    republisher.end().await;

    assert_eq!(republisher.settled(), [2]);
    assert_eq!(republisher.broker.attempts("dead"), attempts + 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_publishes_a_copy_whose_queue_has_room_again() {
    let mut republisher = RunningRepublisher::new();
    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Refused);
    republisher.copy(1, dead_letters(), "dead");
    sleep(Duration::from_secs(60)).await;
    republisher.broker.set_status(DEAD_LETTERS, PublishStatus::Confirmed);

    republisher.end().await;

    assert_eq!(republisher.settled(), [1]);
}

fn dead_letters() -> Target {
    Target::DeadLetters { routing_key: "order.place".to_owned() }
}

/// A running republisher and its settlements.
struct RunningRepublisher {
    broker: FakeBroker,
    channel_epoch: ChannelEpoch,
    copies: Option<mpsc::UnboundedSender<Vec<Republish>>>,
    settlements: std::cell::RefCell<mpsc::UnboundedReceiver<Vec<Settlement>>>,
    task: JoinHandle<()>,
}

impl RunningRepublisher {
    fn new() -> Self {
        let (broker, channel_epoch) = (FakeBroker::default(), ChannelEpoch::default());
        let (copies_in, copies) = mpsc::unbounded_channel();
        let (settlements_in, settlements) = mpsc::unbounded_channel();
        let (replies, reply_publisher) = ReplyPublisher::new(
            Box::new(broker.clone()),
            Health::default(),
            Vec::new(),
            ByteBudget::new(1024),
        );
        tokio::spawn(reply_publisher.run());
        let publisher = CopyPublisher {
            publisher: Box::new(broker.clone()),
            health: Health::default(),
            settlements: settlements_in,
            channel_epoch: channel_epoch.clone(),
        };
        let republisher = Republisher { publisher, replies, copies };
        let task = tokio::spawn(republisher.run());
        let settlements = settlements.into();
        Self { broker, channel_epoch, copies: Some(copies_in), settlements, task }
    }

    /// Queues the copy of a delivery of the first channel; a dead letter has a reply to the queue `full`.
    fn copy(&self, number: u64, target: Target, body: &str) {
        let reply = matches!(target, Target::DeadLetters { .. })
            .then(|| to(Target::Queue { name: "full".to_owned() }, "reply"));
        let tag = DeliveryTag { channel: 0, number };
        let dead_letter = Some(DeadLetterCode::MalformedJson);
        let details = OnConfirm { dead_letter, reply };
        let copies = vec![Republish { copy: to(target, body), tag, reservation: None, details }];
        self.copies.as_ref().unwrap().send(copies).unwrap();
    }

    /// Closes its input and waits for its end.
    async fn end(&mut self) {
        self.copies = None;
        tokio::time::timeout(Duration::from_secs(10), &mut self.task).await.unwrap().unwrap();
    }

    /// The delivery tags that were acknowledged, sorted.
    fn settled(&self) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Ok(settled) = self.settlements.borrow_mut().try_recv() {
            numbers.extend(settled.iter().map(|Settlement::Ack(tag)| tag.number));
        }
        numbers.sort_unstable();
        numbers
    }
}
