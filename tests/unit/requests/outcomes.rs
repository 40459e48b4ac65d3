//! Batches of HTTP commands, and their outcomes.

use futures_util::future::join_all;
use order_worker::entrypoints::command_client::{CommandClient, SubmitError};
use order_worker::messages::Outcome;

use super::lane::{LaneEnv, one_by_one};
use crate::support::messages::{With, cancel, place};

const IDS: [&str; 5] = ["1", "2", "3", "4", "5"];

#[tokio::test(start_paused = true)]
async fn commands_that_arrive_together_share_a_batch() {
    let env = LaneEnv::new();
    let (client, _lane) = env.lane();

    let outcomes = join_all(IDS.map(|id| client.handle(place(id)))).await;

    assert!(outcomes.iter().all(|it| matches!(it, Ok(Outcome::Accepted(_)))), "{outcomes:?}");
    assert_eq!(env.batches(&IDS).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_at_most_batch_max_commands() {
    let env = LaneEnv { batch_max: 2, ..LaneEnv::new() };
    let (client, _lane) = env.lane();

    join_all(IDS.map(|id| client.handle(place(id)))).await;

    assert_eq!(env.batches(&IDS).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_client_gets_the_outcome_of_its_own_command() {
    let env = LaneEnv::new();
    let (client, _lane) = env.lane();

    let commands = [place("1").with_id("m"), cancel("1"), cancel("2"), place("1").with_id("m")];
    let outcomes = join_all(commands.map(|command| client.handle(command))).await;

    let words: Vec<&str> = outcomes.iter().map(|it| it.as_ref().unwrap().as_str()).collect();
    assert_eq!(words, ["accepted", "accepted", "retry_later", "duplicate"]);
}

#[tokio::test(start_paused = true)]
async fn a_response_follows_the_commit_without_waiting_for_the_broker() {
    let env = LaneEnv::with_a_held_broker();
    let (client, _lane) = env.lane();

    let outcomes = one_by_one(&client, [place("1"), cancel("1")]).await;

    assert!(outcomes.iter().all(|it| matches!(it, Outcome::Accepted(_))), "{outcomes:?}");
    assert_eq!(env.order("1").await.unwrap().history.len(), 2);
    assert_eq!(env.outbox().await.len(), 2);
    assert_eq!(env.broker.versions(), [] as [u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_client_is_gone_is_not_begun() {
    let env = LaneEnv::new();
    let (client, queue) = CommandClient::channel();
    {
        let gone = client.handle(place("gone"));
        let waiting = client.handle(place("1"));
        let (mut gone, mut waiting) = (Box::pin(gone), Box::pin(waiting));
        assert!(futures_util::poll!(&mut gone).is_pending());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(gone);

        let _lane = env.serve(queue);

        waiting.await.unwrap();
    }
    assert!(env.order("gone").await.is_none());
    assert!(env.order("1").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_command_beyond_the_queue_limit_is_rejected_at_once() {
    let (client, _queue) = CommandClient::channel();
    let mut waiting = Vec::new();
    let refused = loop {
        let mut outcome = Box::pin(client.handle(place("1")));
        match futures_util::poll!(&mut outcome) {
            std::task::Poll::Pending => waiting.push(outcome),
            std::task::Poll::Ready(outcome) => break outcome,
        }
    };

    assert_eq!(refused, Err(SubmitError::Full));
    assert!(waiting.len() >= 500, "{}", waiting.len());
}
