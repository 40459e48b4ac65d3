//! Collecting dead letters, which the broker may deliver more than once.

use order_worker::messages::{HeaderValue, Headers, Properties};
use order_worker::service_layer::dead_letters::{
    DeadLetter, DeadLetterState, DeadLetterStore, Subject,
};

use super::{
    WithDeadLetters, all, at, by_key, claim, collect, dead_letter, failed_again, find, finish,
    kept, reason, replay,
};

pub async fn a_dead_letter_round_trips<D: WithDeadLetters>(database: &D) {
    let table = Headers::from([("x\0".to_owned(), HeaderValue::Binary(vec![0xff, 0]))]);
    let sent = DeadLetter {
        properties: Properties {
            message_id: Some("m\0".to_owned()),
            timestamp: Some(u64::MAX),
            headers: [("table".to_owned(), HeaderValue::Table(table))].into(),
            ..Properties::default()
        },
        subject: Subject { command: Some("CancelOrder".to_owned()), ..Subject::default() },
        replay_of: Some(([9; 16], 2)),
        ..dead_letter(1)
    };

    let kept = kept(database, sent.clone()).await;

    assert_eq!(kept.dead_letter, sent);
    assert_eq!((kept.state, kept.failures, kept.replays), (DeadLetterState::Open, 1, 0));
    assert_eq!((kept.revision, kept.original_body), (1, None));
    assert_eq!((kept.first_failed_at, kept.changed_at), (sent.failed_at, at(50)));
}

pub async fn any_bytes_round_trip<D: WithDeadLetters>(database: &D) {
    for (number, body) in [&b""[..], b"\0", b"a\0b", b"\xff\xfe", b"{}"].into_iter().enumerate() {
        let dead_letter =
            DeadLetter { body: body.to_vec(), ..dead_letter(u8::try_from(number).unwrap()) };

        assert_eq!(kept(database, dead_letter).await.dead_letter.body, body);
    }
}

pub async fn text_with_a_nul_is_stored<D: WithDeadLetters>(database: &D) {
    let reason = reason("invalid_field", "order_id a\0b");

    let kept = kept(database, DeadLetter { reason, ..dead_letter(1) }).await;

    assert_eq!(kept.dead_letter.reason.detail, "order_id a\u{fffd}b");
}

pub async fn a_dead_letter_delivered_twice_is_stored_once<D: WithDeadLetters>(database: &D) {
    assert_eq!(collect(database, &[dead_letter(1), dead_letter(1), dead_letter(2)]).await, 2);

    assert_eq!(collect(database, &[dead_letter(1)]).await, 0);

    assert_eq!(all(database).await.len(), 2);
}

pub async fn a_dead_letter_collected_by_two_at_once_is_stored_once<D: WithDeadLetters>(
    database: &D,
) {
    let dead_letters: Vec<DeadLetter> = (0..50).map(dead_letter).collect();
    let (one, other) = (database.dead_letters(), database.dead_letters());

    let (one, other) =
        tokio::join!(one.collect(&dead_letters, at(50)), other.collect(&dead_letters, at(50)));

    assert_eq!(one.unwrap() + other.unwrap(), 50);
    assert_eq!(all(database).await.len(), 50);
}

pub async fn a_failed_replay_reopens_its_dead_letter<D: WithDeadLetters>(database: &D) {
    let first = kept(database, dead_letter(1)).await;
    let failed = DeadLetter { attempts: 5, ..failed_again(&replay(database, first.id).await, 2) };

    assert_eq!(collect(database, std::slice::from_ref(&failed)).await, 1);

    let dead_letters = all(database).await;
    let [again] = &dead_letters[..] else { panic!("{dead_letters:?}") };
    assert_eq!(
        (again.id, again.dead_letter.key, again.state),
        (first.id, [1; 16], DeadLetterState::Open)
    );
    assert_eq!((again.failures, again.replays, again.dead_letter.attempts), (2, 1, 5));
    assert_eq!((again.dead_letter.failed_at, again.first_failed_at), (at(2), at(1)));
    assert_eq!(again.dead_letter.reason, failed.reason);
}

pub async fn a_failed_replay_delivered_twice_counts_once<D: WithDeadLetters>(database: &D) {
    let first = kept(database, dead_letter(1)).await;
    let failed = failed_again(&replay(database, first.id).await, 2);

    assert_eq!(collect(database, &[failed.clone(), failed.clone()]).await, 1);
    assert_eq!(collect(database, &[failed]).await, 0);

    assert_eq!(find(database, first.id).await.failures, 2);
}

pub async fn another_copy_of_a_failure_changes_nothing<D: WithDeadLetters>(database: &D) {
    let first = kept(database, dead_letter(1)).await;
    let replayed = replay(database, first.id).await;
    collect(database, &[failed_again(&replayed, 2)]).await;

    assert_eq!(collect(database, &[failed_again(&replayed, 3)]).await, 0);

    assert_eq!(find(database, first.id).await.failures, 2);
    replay(database, first.id).await;
    assert_eq!(collect(database, &[failed_again(&replayed, 3)]).await, 0, "also later");
    assert_eq!(all(database).await.len(), 1);
}

pub async fn a_failure_redelivered_after_the_next_replay_changes_nothing<D: WithDeadLetters>(
    database: &D,
) {
    let first = kept(database, dead_letter(1)).await;
    let failed = failed_again(&replay(database, first.id).await, 2);
    collect(database, std::slice::from_ref(&failed)).await;
    collect(database, &[failed_again(&replay(database, first.id).await, 3)]).await;
    replay(database, first.id).await;

    assert_eq!(collect(database, &[failed]).await, 0);

    let dead_letters = all(database).await;
    assert_eq!((dead_letters.len(), dead_letters[0].state), (1, DeadLetterState::Replayed));
}

pub async fn an_unconfirmed_replay_may_fail_again<D: WithDeadLetters>(database: &D) {
    let first = kept(database, dead_letter(1)).await;
    let claimed = claim(database, first.id).await.unwrap();
    finish(database, &claimed, false).await;

    assert_eq!(collect(database, &[failed_again(&claimed, 2)]).await, 0);

    let dead_letters = all(database).await;
    assert_eq!((dead_letters.len(), dead_letters[0].state), (1, DeadLetterState::Open));
}

pub async fn a_failure_of_an_earlier_replay_is_a_dead_letter_of_its_own<D: WithDeadLetters>(
    database: &D,
) {
    let first = kept(database, dead_letter(1)).await;
    let replayed = replay(database, first.id).await;
    collect(database, &[failed_again(&replayed, 2)]).await;
    replay(database, first.id).await;

    assert_eq!(collect(database, &[failed_again(&replayed, 3)]).await, 1);

    assert_eq!(by_key(database, [3; 16]).await.dead_letter.replay_of, Some(([1; 16], 1)));
    assert_eq!(find(database, first.id).await.state, DeadLetterState::Replayed);
}

pub async fn a_replay_with_another_body_is_a_dead_letter_of_its_own<D: WithDeadLetters>(
    database: &D,
) {
    let first = kept(database, dead_letter(1)).await;
    let failed = failed_again(&replay(database, first.id).await, 2);

    collect(database, &[DeadLetter { body: b"forged".to_vec(), ..failed }]).await;

    assert_eq!(by_key(database, [2; 16]).await.dead_letter.body, b"forged");
    assert_eq!(find(database, first.id).await.state, DeadLetterState::Replayed);
}

pub async fn the_replay_of_an_unknown_dead_letter_is_a_dead_letter_of_its_own<
    D: WithDeadLetters,
>(
    database: &D,
) {
    let unknown = DeadLetter { replay_of: Some(([9; 16], 1)), ..dead_letter(1) };

    assert_eq!(collect(database, &[unknown.clone(), unknown]).await, 1);
}
