//! Copies of commands, for retries and for the dead letters.

use order_worker::service_layer::{
    ByteBudget, ChannelEpoch, DeadLetterCode, DeliveryTag, Health, Original, PublishStatus,
    ReplyPublisher, Republish, Republisher, Settlement, Target,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use super::{FakeBroker, to};

const DEAD_LETTERS: &str = "dead letters";

#[tokio::test(start_paused = true)]
async fn a_full_queue_of_dead_letters_holds_up_no_retry() {
    let line = Line::new();
    line.broker.says(DEAD_LETTERS, PublishStatus::Refused);

    line.copy(1, dead_letters(), "dead");
    line.copy(2, Target::Retry { attempt: 1 }, "retried");
    sleep(Duration::from_secs(60)).await;
    line.copy(3, Target::Retry { attempt: 1 }, "later");
    sleep(Duration::from_millis(10)).await;

    assert_eq!(line.settled(), [2, 3]);
    let attempts = line.broker.attempts("dead");
    assert!((10..40).contains(&attempts), "{attempts} attempts within a minute");
}

#[tokio::test(start_paused = true)]
async fn only_what_was_not_confirmed_is_published_again() {
    let line = Line::new();
    line.broker.says(DEAD_LETTERS, PublishStatus::Refused);
    line.copy(1, dead_letters(), "dead");
    line.copy(2, Target::Retry { attempt: 1 }, "retried");
    sleep(Duration::from_secs(1)).await;

    line.broker.says(DEAD_LETTERS, PublishStatus::Confirmed);
    sleep(Duration::from_secs(10)).await;

    assert_eq!(line.settled(), [1, 2]);
    assert_eq!(line.broker.attempts("retried"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_command_without_a_queue_is_published_until_there_is_one() {
    let line = Line::new();
    line.broker.says(DEAD_LETTERS, PublishStatus::Unroutable);
    line.copy(1, dead_letters(), "dead");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(line.settled(), [0; 0]);

    line.broker.says(DEAD_LETTERS, PublishStatus::Confirmed);
    sleep(Duration::from_secs(10)).await;

    assert_eq!(line.settled(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_the_broker_has_again_is_forgotten() {
    let line = Line::new();
    line.broker.says(DEAD_LETTERS, PublishStatus::Refused);
    line.copy(1, dead_letters(), "dead");
    sleep(Duration::from_secs(1)).await;

    let _channel = line.channel_epoch.next();
    sleep(Duration::from_secs(60)).await;
    let attempts = line.broker.attempts("dead");
    sleep(Duration::from_secs(60)).await;

    assert_eq!(line.broker.attempts("dead"), attempts);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_nobody_takes_does_not_hold_up_the_acknowledgement_of_a_dead_letter() {
    let line = Line::new();
    line.broker.says("full", PublishStatus::Refused);

    line.copy(1, dead_letters(), "dead");
    sleep(Duration::from_millis(10)).await;

    assert_eq!(line.settled(), [1]);
    assert_eq!(line.broker.attempts("reply"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_refused_is_tried_once_more_at_the_end_and_left() {
    let mut line = Line::new();
    line.broker.says(DEAD_LETTERS, PublishStatus::Refused);
    line.copy(1, dead_letters(), "dead");
    line.copy(2, Target::Retry { attempt: 1 }, "retried");
    sleep(Duration::from_secs(60)).await;
    let attempts = line.broker.attempts("dead");

    line.end().await;

    assert_eq!(line.settled(), [2]);
    assert_eq!(line.broker.attempts("dead"), attempts + 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_for_which_there_is_room_at_the_end_is_not_left() {
    let mut line = Line::new();
    line.broker.says(DEAD_LETTERS, PublishStatus::Refused);
    line.copy(1, dead_letters(), "dead");
    sleep(Duration::from_secs(60)).await;
    line.broker.says(DEAD_LETTERS, PublishStatus::Confirmed);

    line.end().await;

    assert_eq!(line.settled(), [1]);
}

fn dead_letters() -> Target {
    Target::DeadLetters { routing_key: "order.place".to_owned() }
}

/// A republisher at work, and what it settles.
struct Line {
    broker: FakeBroker,
    channel_epoch: ChannelEpoch,
    copies: Option<mpsc::UnboundedSender<Vec<Republish>>>,
    settlements: std::cell::RefCell<mpsc::UnboundedReceiver<Vec<Settlement>>>,
    task: JoinHandle<()>,
}

impl Line {
    fn new() -> Self {
        let (broker, channel_epoch) = (FakeBroker::default(), ChannelEpoch::default());
        let (copies_in, copies) = mpsc::unbounded_channel();
        let (settlements_in, settlements) = mpsc::unbounded_channel();
        let (replies, reply_publisher) = ReplyPublisher::new(
            broker.clone(),
            Health::default(),
            Vec::new(),
            ByteBudget::new(1024),
        );
        tokio::spawn(reply_publisher.run());
        let republisher = Republisher {
            publisher: broker.clone(),
            health: Health::default(),
            settlements: settlements_in,
            channel_epoch: channel_epoch.clone(),
            replies,
            copies,
        };
        let task = tokio::spawn(republisher.run());
        let settlements = settlements.into();
        Self { broker, channel_epoch, copies: Some(copies_in), settlements, task }
    }

    /// Hands over the copy of a delivery of the first channel, with a reply to a queue called full.
    fn copy(&self, number: u64, target: Target, body: &str) {
        let reply = matches!(target, Target::DeadLetters { .. })
            .then(|| to(Target::Queue { name: "full".to_owned() }, "reply"));
        let tag = DeliveryTag { channel: 0, number };
        let dead_letter = Some(DeadLetterCode::MalformedJson);
        let original = Original { tag, dead_letter, reply, reservation: None };
        let copies = vec![Republish { copy: to(target, body), original }];
        self.copies.as_ref().unwrap().send(copies).unwrap();
    }

    /// Ends the lanes, and waits until it has ended as well.
    async fn end(&mut self) {
        self.copies = None;
        tokio::time::timeout(Duration::from_secs(10), &mut self.task).await.unwrap().unwrap();
    }

    /// The numbers of the deliveries that were acknowledged, sorted.
    fn settled(&self) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Ok(settled) = self.settlements.borrow_mut().try_recv() {
            numbers.extend(settled.iter().map(|Settlement::Ack(tag)| tag.number));
        }
        numbers.sort_unstable();
        numbers
    }
}
