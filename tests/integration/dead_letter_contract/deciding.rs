//! Edits and decisions of operators, and their audit entries.

use order_worker::service_layer::dead_letters::{
    AuditAction, AuditEntry, DeadLetterRecord, DeadLetterState, DeadLetterStore, Revision, Subject,
};

use super::{WithDeadLetters, action, claim, dead_letter, find, finish, kept, reason, replay};

pub async fn an_edit_replaces_the_body_and_keeps_the_reason<D: WithDeadLetters>(database: &D) {
    let before = kept(database, dead_letter(1)).await;

    assert!(edit(database, &before, revision("new")).await);

    let after = find(database, before.id).await;
    assert_eq!((&after.dead_letter.body[..], after.revision), (&b"new"[..], 2));
    assert_eq!(after.original_body.as_ref(), Some(&before.dead_letter.body));
    assert_eq!(after.dead_letter.subject, revision("new").subject);
    assert_eq!(
        (&after.dead_letter.reason, after.state),
        (&before.dead_letter.reason, DeadLetterState::Open)
    );
}

pub async fn an_edit_that_would_still_fail_has_a_new_reason<D: WithDeadLetters>(database: &D) {
    let before = kept(database, dead_letter(1)).await;
    let worse = reason("malformed_json", "at byte 3");

    edit(database, &before, Revision { reason: Some(worse.clone()), ..revision("{{{") }).await;

    assert_eq!(find(database, before.id).await.dead_letter.reason, worse);
}

pub async fn the_original_body_survives_two_edits<D: WithDeadLetters>(database: &D) {
    let before = kept(database, dead_letter(1)).await;

    edit(database, &before, revision("second")).await;
    edit(database, &find(database, before.id).await, revision("third")).await;

    let after = find(database, before.id).await;
    assert_eq!((&after.dead_letter.body[..], after.revision), (&b"third"[..], 3));
    assert_eq!(after.original_body, Some(before.dead_letter.body));
}

pub async fn of_two_edits_of_one_revision_one_is_rejected<D: WithDeadLetters>(database: &D) {
    let before = kept(database, dead_letter(1)).await;

    let (one, other) = tokio::join!(
        edit(database, &before, revision("one")),
        edit(database, &before, revision("other")),
    );

    assert_ne!(one, other);
    assert_eq!(find(database, before.id).await.revision, 2);
}

pub async fn only_an_open_dead_letter_can_be_edited<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;
    claim(database, id).await.unwrap();
    let replaying = find(database, id).await;

    assert!(!edit(database, &replaying, revision("new")).await);

    assert_eq!(find(database, id).await, replaying);
}

pub async fn only_an_open_dead_letter_can_be_discarded<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;

    assert!(discard(database, id).await);
    assert!(!discard(database, id).await);

    assert_eq!(find(database, id).await.state, DeadLetterState::Discarded);
    assert_eq!(claim(database, id).await, None);
    assert!(!discard(database, id + 1).await, "there is none");
}

pub async fn a_discarded_or_replayed_dead_letter_can_be_restored<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;
    assert!(!restore(database, id).await, "it is open");

    discard(database, id).await;
    assert!(restore(database, id).await);
    let claimed = claim(database, id).await.expect("it is open again");
    assert!(!restore(database, id).await, "it is being replayed");

    finish(database, &claimed, true).await;
    assert!(restore(database, id).await);
    assert_eq!(find(database, id).await.state, DeadLetterState::Open);
}

pub async fn every_change_writes_an_audit_entry<D: WithDeadLetters>(database: &D) {
    let before = kept(database, dead_letter(1)).await;

    edit(database, &before, revision("new")).await;
    discard(database, before.id).await;
    restore(database, before.id).await;
    replay(database, before.id).await;

    let kinds =
        [AuditAction::Edit, AuditAction::Discard, AuditAction::Restore, AuditAction::Replay];
    assert_eq!(actions(database, before.id).await, kinds.map(action));
}

pub async fn a_rejected_change_writes_no_audit_entry<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;
    let claimed = claim(database, id).await.unwrap();

    edit(database, &claimed, revision("new")).await;
    discard(database, id).await;
    restore(database, id).await;

    assert_eq!(actions(database, id).await, []);
}

pub async fn a_change_fails_if_its_audit_entry_cannot_be_written<D: WithDeadLetters>(database: &D) {
    let id = kept(database, dead_letter(1)).await.id;
    let claimed = claim(database, id).await.unwrap();
    let open = kept(database, dead_letter(2)).await;
    database.refuse_actions().await;
    let dead_letters = database.dead_letters();

    dead_letters.discard_dead_letter(open.id, &action(AuditAction::Discard)).await.unwrap_err();
    dead_letters.finish_replay(id, 1, true, &action(AuditAction::Replay)).await.unwrap_err();

    assert_eq!(find(database, open.id).await, open);
    assert_eq!(find(database, id).await, claimed);
}

pub async fn an_audit_entry_can_be_written_without_a_change<D: WithDeadLetters>(database: &D) {
    let before = kept(database, dead_letter(1)).await;
    let (dead_letters, revealed) = (database.dead_letters(), action(AuditAction::Disclose));

    assert!(dead_letters.record_action(before.id, &revealed).await.unwrap());

    assert_eq!(find(database, before.id).await, before);
    assert_eq!(actions(database, before.id).await, std::slice::from_ref(&revealed));
    assert!(!dead_letters.record_action(before.id + 1, &revealed).await.unwrap(), "there is none");
}

fn revision(body: &str) -> Revision {
    let subject = Subject {
        command: Some("CancelOrder".to_owned()),
        order_id: Some("14".to_owned()),
        customer_id: None,
    };
    Revision { body: body.into(), subject, reason: None }
}

async fn edit<D: WithDeadLetters>(
    database: &D,
    seen: &DeadLetterRecord,
    revised: Revision,
) -> bool {
    let (dead_letters, action) = (database.dead_letters(), action(AuditAction::Edit));
    dead_letters.revise_dead_letter(seen.id, seen.revision, &revised, &action).await.unwrap()
}

async fn discard<D: WithDeadLetters>(database: &D, id: i64) -> bool {
    let (dead_letters, action) = (database.dead_letters(), action(AuditAction::Discard));
    dead_letters.discard_dead_letter(id, &action).await.unwrap()
}

async fn restore<D: WithDeadLetters>(database: &D, id: i64) -> bool {
    let (dead_letters, action) = (database.dead_letters(), action(AuditAction::Restore));
    dead_letters.restore_dead_letter(id, &action).await.unwrap()
}

async fn actions<D: WithDeadLetters>(database: &D, id: i64) -> Vec<AuditEntry> {
    database.dead_letters().dead_letter_actions(id).await.unwrap()
}
