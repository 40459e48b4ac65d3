//! Counts of open dead letters.

use std::time::Duration;

use chrono::TimeDelta;
use order_worker::adapters::clock::SystemClock;
use order_worker::messages::OpenDeadLetters;
use order_worker::service_layer::dead_letters::{AuditAction, DeadLetter, DeadLetterStore};
use order_worker::service_layer::{BacklogProbe, Clock};

use super::{WithDeadLetters, action, claim, collected, dead_letter, reason};

pub async fn open_dead_letters_are_counted_by_code<D: WithDeadLetters>(database: &D) {
    let other =
        DeadLetter { reason: reason("missing_field", "email is missing"), ..dead_letter(5) };
    let dead_letters = [dead_letter(1), dead_letter(2), dead_letter(3), dead_letter(4), other];
    let ids = collected(database, &dead_letters).await;

    claim(database, ids[0]).await.unwrap();
    let discard = action(AuditAction::Discard);
    assert!(database.dead_letters().discard_dead_letter(ids[1], &discard).await.unwrap());

    let mut counts = open(database).await.counts;
    counts.sort();
    assert_eq!(counts, [("missing_field".to_owned(), 1), ("order_not_found".to_owned(), 2)]);
}

pub async fn the_oldest_open_dead_letter_has_its_age<D: WithDeadLetters>(database: &D) {
    assert_eq!(open(database).await, OpenDeadLetters { counts: Vec::new(), oldest: None });
    let now = SystemClock.now();
    let failed_ago = |number, seconds| DeadLetter {
        failed_at: now - TimeDelta::seconds(seconds),
        ..dead_letter(number)
    };
    let dead_letters = [failed_ago(1, 9_000), failed_ago(2, 3_600), failed_ago(3, 5)];
    let ids = collected(database, &dead_letters).await;
    claim(database, ids[0]).await.unwrap();

    let oldest = open(database).await.oldest.unwrap();

    assert!(oldest >= Duration::from_hours(1), "{oldest:?}");
    assert!(oldest < Duration::from_secs(9_000), "{oldest:?}");
}

async fn open<D: WithDeadLetters>(database: &D) -> OpenDeadLetters {
    database.backlog_probe().backlog().await.unwrap().open_dead_letters.unwrap()
}
