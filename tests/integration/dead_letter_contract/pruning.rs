//! Deleting old rows that are no longer needed.

use order_worker::domain::{MessageId, Status};
use order_worker::messages::Properties;
use order_worker::service_layer::OrderQueries;
use order_worker::service_layer::dead_letters::{
    AuditAction, DeadLetter, DeadLetterStore, Pruned, Retention,
};

use super::{WithDeadLetters, action, all, at, claim, collect, collected, dead_letter, find};
use crate::store_contract::outcomes;
use crate::support::messages::{With, cancel, next_status, place, set_status};

pub async fn old_dead_letters_are_deleted_with_their_audit_entries<D: WithDeadLetters>(
    database: &D,
) {
    let ids = collected(database, &[dead_letter(1), dead_letter(2)]).await;
    let dead_letters = database.dead_letters();
    dead_letters.discard_dead_letter(ids[0], &action(AuditAction::Discard)).await.unwrap();

    let until = Retention { dead_letters_until: at(100), ..nothing() };
    assert_eq!(prune(database, until, 10).await.dead_letters, 1, "the one that did not change");
    let until = Retention { dead_letters_until: at(101), ..nothing() };
    assert_eq!(prune(database, until, 10).await.dead_letters, 1);

    assert_eq!(all(database).await, []);
    assert_eq!(dead_letters.dead_letter_actions(ids[0]).await.unwrap(), []);
}

pub async fn a_dead_letter_that_is_replaying_stays<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[dead_letter(1)]).await;
    claim(database, ids[0]).await.unwrap();

    assert_eq!(prune(database, everything(), 10).await, Pruned::default());

    find(database, ids[0]).await;
}

pub async fn handled_messages_are_deleted_unless_a_dead_letter_has_their_id<D: WithDeadLetters>(
    database: &D,
) {
    outcomes(database, &[place("14").with_id("m1"), next_status("14").with_id("m2")]).await;
    let properties = Properties { message_id: Some("m2".to_owned()), ..Properties::default() };
    collect(database, &[DeadLetter { properties, ..dead_letter(1) }, dead_letter(2)]).await;

    let until = Retention { handled_until: at(1_000), ..nothing() };
    assert_eq!(prune(database, until, 10).await.handled_messages, 1);

    assert!(!is_handled(database, "m1").await);
    assert!(is_handled(database, "m2").await);
}

pub async fn the_history_of_open_orders_stays<D: WithDeadLetters>(database: &D) {
    let shipped = set_status("14", Status::Shipping);
    outcomes(database, &[place("14"), shipped, place("15"), cancel("15")]).await;

    assert_eq!(prune(database, everything(), 10).await.history, 1);

    assert_eq!(versions(database, "14").await, [1, 2]);
    assert_eq!(versions(database, "15").await, [2]);
}

pub async fn the_last_change_of_an_order_stays<D: WithDeadLetters>(database: &D) {
    let completed = set_status("14", Status::Completed);
    outcomes(database, &[place("14"), next_status("14"), completed]).await;

    assert_eq!(prune(database, everything(), 10).await.history, 2);
    assert_eq!(prune(database, everything(), 10).await.history, 0);

    assert_eq!(versions(database, "14").await, [3]);
}

pub async fn without_a_cutoff_the_history_stays<D: WithDeadLetters>(database: &D) {
    outcomes(database, &[place("14"), cancel("14")]).await;

    let pruned = prune(database, Retention { history_until: None, ..everything() }, 10).await;

    assert_eq!(pruned.history, 0);
    assert_eq!(versions(database, "14").await, [1, 2]);
}

pub async fn recent_rows_stay<D: WithDeadLetters>(database: &D) {
    outcomes(database, &[place("14").with_id("m1"), cancel("14")]).await;
    collect(database, &[dead_letter(1)]).await;

    assert_eq!(prune(database, nothing(), 10).await, Pruned::default());

    assert!(is_handled(database, "m1").await);
}

pub async fn rows_are_deleted_in_batches<D: WithDeadLetters>(database: &D) {
    let placed = (0..5).map(|n| place(&n.to_string()).with_id(&format!("m{n}")));
    outcomes(database, &placed.collect::<Vec<_>>()).await;
    outcomes(database, &(0..5).map(|n| cancel(&n.to_string())).collect::<Vec<_>>()).await;
    collect(
        database,
        &[dead_letter(1), dead_letter(2), dead_letter(3), dead_letter(4), dead_letter(5)],
    )
    .await;

    for rows in [2, 2, 1, 0] {
        let batch = Pruned { dead_letters: rows, handled_messages: rows, history: rows };
        assert_eq!(prune(database, everything(), 2).await, batch);
    }
}

/// Deletes nothing.
fn nothing() -> Retention {
    Retention { dead_letters_until: at(-1), handled_until: at(-1), history_until: Some(at(-1)) }
}

/// Deletes all that may be deleted.
fn everything() -> Retention {
    let later = at(1_000);
    Retention { dead_letters_until: later, handled_until: later, history_until: Some(later) }
}

async fn prune<D: WithDeadLetters>(database: &D, retention: Retention, limit: u32) -> Pruned {
    database.dead_letters().prune(&retention, limit).await.unwrap()
}

async fn is_handled<D: WithDeadLetters>(database: &D, message_id: &str) -> bool {
    let message_id = MessageId::new(message_id).unwrap();
    database.queries().message(&message_id).await.unwrap().is_some()
}

async fn versions<D: WithDeadLetters>(database: &D, order_id: &str) -> Vec<i32> {
    let found = crate::store_contract::find(database, order_id).await.unwrap();
    found.history.iter().map(|entry| entry.version).collect()
}
