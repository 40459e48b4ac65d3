//! Publishing a window until each message is judged.

use order_worker::service_layer::{
    Confirmation, Health, Properties, Publication, PublishError, Publisher, Target, Verdict,
    publish_all,
};

#[tokio::test(start_paused = true)]
async fn only_what_was_not_confirmed_is_published_again() {
    use Confirmation::{Confirmed, Refused, Unroutable};
    let mut broker = Scripted::new([
        Some(vec![Confirmed, Refused, Unroutable, Refused]),
        None,
        Some(vec![Refused, Confirmed]),
        Some(vec![Confirmed]),
    ]);
    let health = Health::default();

    let verdicts = publish_all(&mut broker, &health, ["a", "b", "c", "d"].map(event).into()).await;

    assert_eq!(broker.windows, ["abcd", "bd", "bd", "b"]);
    assert_eq!(
        verdicts,
        [Verdict::Confirmed, Verdict::Confirmed, Verdict::Unroutable, Verdict::Confirmed]
    );
    assert!(health.troubles().none());
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_command_without_a_queue_is_published_until_there_is_one() {
    let mut broker = Scripted::new([
        Some(vec![Confirmation::Unroutable]),
        Some(vec![Confirmation::Unroutable]),
        Some(vec![Confirmation::Confirmed]),
    ]);
    let letter = Target::DeadLetters { routing_key: "order.place".to_owned() };
    let window = vec![Publication { target: letter, ..event("a") }];

    let verdicts = publish_all(&mut broker, &Health::default(), window).await;

    assert_eq!((broker.windows.len(), verdicts), (3, vec![Verdict::Confirmed]));
}

fn event(body: &str) -> Publication {
    Publication {
        target: Target::Events { routing_key: "order.status.received".to_owned() },
        properties: Properties::default(),
        body: body.as_bytes().to_vec(),
    }
}

/// Answers as it was told to, and remembers what it got.
struct Scripted {
    answers: std::vec::IntoIter<Option<Vec<Confirmation>>>,
    windows: Vec<String>,
}

impl Scripted {
    fn new<const N: usize>(answers: [Option<Vec<Confirmation>>; N]) -> Self {
        Self { answers: Vec::from(answers).into_iter(), windows: Vec::new() }
    }
}

impl Publisher for Scripted {
    async fn publish(&mut self, window: &[Publication]) -> Result<Vec<Confirmation>, PublishError> {
        let bodies: Vec<u8> = window.iter().flat_map(|it| it.body.clone()).collect();
        self.windows.push(String::from_utf8(bodies).unwrap());
        let answer = self.answers.next().expect("no more is published than expected");
        answer.ok_or_else(|| PublishError("the connection broke".to_owned()))
    }
}
