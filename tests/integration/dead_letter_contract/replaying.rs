//! Claiming dead letters for replays, and finishing replays.

use order_worker::service_layer::dead_letters::{DeadLetterState, DeadLetterStore};

use super::{
    WithDeadLetters, at, claim, collect, dead_letter, failed_again, find, finish, kept, replay,
    try_claim,
};

pub async fn of_two_concurrent_claims_one_succeeds<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;

    let (one, other) = tokio::join!(claim(database, id), claim(database, id));

    assert_eq!([one, other].into_iter().flatten().count(), 1);
}

pub async fn a_claimed_dead_letter_is_replaying_with_one_more_replay<D: WithDeadLetters>(
    database: &D,
) {
    let id = kept(database, dead_letter(1)).await.id;

    let claimed = claim(database, id).await.unwrap();

    assert_eq!((claimed.state, claimed.replays), (DeadLetterState::Replaying, 1));
    assert_eq!((&claimed.dead_letter, claimed.changed_at), (&dead_letter(1), at(60)));
    assert_eq!(find(database, id).await, claimed);
}

pub async fn an_abandoned_claim_can_be_claimed_again<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;
    claim(database, id).await.unwrap();

    assert_eq!(try_claim(database, id, at(60)).await.unwrap(), None, "it is not that old");
    let taken_over = try_claim(database, id, at(61)).await.unwrap().unwrap();

    assert_eq!((taken_over.state, taken_over.replays), (DeadLetterState::Replaying, 2));
}

pub async fn a_dead_letter_is_replayed_up_to_the_maximum<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;
    for key in [2, 3, 4] {
        let replayed = replay(database, id).await;
        collect(database, &[failed_again(&replayed, key)]).await;
    }

    assert_eq!(claim(database, id).await, None);

    let left = find(database, id).await;
    assert_eq!((left.state, left.replays, left.failures), (DeadLetterState::Open, 3, 4));
}

pub async fn an_abandoned_last_replay_can_be_claimed_again<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;
    let dead_letters = database.dead_letters();
    dead_letters.claim_dead_letter(id, 1, at(0), at(60)).await.unwrap().unwrap();

    let taken_over = dead_letters.claim_dead_letter(id, 1, at(61), at(70)).await.unwrap();

    assert_eq!(taken_over.unwrap().replays, 2);
}

pub async fn a_confirmed_replay_is_replayed<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;

    replay(database, id).await;

    let replayed = find(database, id).await;
    assert_eq!((replayed.state, replayed.replays), (DeadLetterState::Replayed, 1));
    assert_eq!(replayed.changed_at, at(100));
    assert_eq!(claim(database, id).await, None);
}

pub async fn an_unconfirmed_replay_is_open_again_and_not_counted<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;

    finish(database, &claim(database, id).await.unwrap(), false).await;

    let open = find(database, id).await;
    assert_eq!((open.state, open.replays), (DeadLetterState::Open, 0));
}

pub async fn finishing_a_replay_that_failed_again_changes_nothing<D: WithDeadLetters>(
    database: &D,
) {
    let id = kept(database, dead_letter(1)).await.id;
    let claimed = claim(database, id).await.unwrap();
    collect(database, &[failed_again(&claimed, 2)]).await;
    let failed = find(database, id).await;

    finish(database, &claimed, true).await;
    finish(database, &claimed, false).await;

    assert_eq!((failed.state, failed.failures), (DeadLetterState::Open, 2));
    assert_eq!(find(database, id).await, failed);
    let actions = database.dead_letters().dead_letter_actions(id).await.unwrap();
    assert_eq!(actions.len(), 2, "both are recorded");
}

pub async fn finishing_a_replay_that_another_has_claimed_changes_nothing<D: WithDeadLetters>(
    database: &D,
) {
    let id = kept(database, dead_letter(1)).await.id;
    let abandoned = claim(database, id).await.unwrap();
    let taken_over = try_claim(database, id, at(61)).await.unwrap().unwrap();

    finish(database, &abandoned, true).await;

    assert_eq!(find(database, id).await, taken_over);
}
