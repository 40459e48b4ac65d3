//! A replay that is stopped while the broker is blocked.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order_worker::adapters::sqlite::SqliteDatabase;
use order_worker::messages::{Publication, PublishStatus};
use order_worker::service_layer::dead_letters::{
    Actor, DryRun, Replay, ReplayLimits, ReplayOutcome, ReplayResult,
};
use order_worker::service_layer::dead_letters::{
    DeadLetterFilter, DeadLetterState, DeadLetterStore,
};
use order_worker::service_layer::{PublishError, Publisher};
use tokio_util::sync::CancellationToken;

use crate::dead_letter_contract::dead_letter;
use crate::support::clock::TickingClock;

/// Never confirms, and stops the replay as soon as it publishes.
#[derive(Debug)]
struct Blocked(CancellationToken);

#[async_trait]
impl Publisher for Blocked {
    async fn publish(&mut self, _: &[Publication]) -> Result<Vec<PublishStatus>, PublishError> {
        self.0.cancel();
        pending().await
    }
}

#[tokio::test]
async fn a_replay_that_is_stopped_does_not_wait_for_a_broker_that_is_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("orders.db").display());
    let database = SqliteDatabase::open(&url).await.unwrap();
    database.migrate().await.unwrap();
    let dead_letters = database.dead_letters();
    dead_letters
        .collect(&[dead_letter(1), dead_letter(2)], dead_letter(1).failed_at)
        .await
        .unwrap();
    let ids = dead_letters.dead_letter_ids(&DeadLetterFilter::default(), 9).await.unwrap();
    let mut results = Vec::new();

    let not_tried = replay(&database).run(&ids, |result| results.push(result)).await.unwrap();

    let why = "the replay was stopped before the broker confirmed it".to_owned();
    assert_eq!(results, [ReplayResult { id: ids[0], outcome: ReplayOutcome::Unpublished(why) }]);
    assert_eq!(not_tried, 1);
    let kept = dead_letters.dead_letter(ids[0]).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.replays), (DeadLetterState::Open, 0), "as it was");
}

fn replay(database: &SqliteDatabase) -> Replay {
    let (stop, clock) = (CancellationToken::new(), Arc::new(TickingClock::default()));
    Replay {
        dead_letters: Arc::new(database.dead_letters()),
        orders: Arc::new(database.queries()),
        dry_run: DryRun::new(
            Box::new(database.store()),
            Arc::new(database.queries()),
            clock.clone(),
        ),
        publisher: Box::new(Blocked(stop.clone())),
        clock,
        actor: Actor::new("ada", None),
        limits: ReplayLimits {
            schedule: "all".parse().unwrap(),
            interval: None,
            stop_after_failures: None,
            max_replays: 5,
            force: false,
            outcome_timeout: Duration::from_secs(60),
        },
        stop,
    }
}
