//! What every database must do for dead letters.

pub mod collecting;
pub mod counting;
pub mod deciding;
pub mod finding;
pub mod pruning;
pub mod replaying;

use chrono::{DateTime, TimeDelta, Utc};
use order_worker::messages::Properties;
use order_worker::service_layer::StoreError;
use order_worker::service_layer::dead_letters::{
    AuditAction, AuditEntry, DeadLetter, DeadLetterFilter, DeadLetterKey, DeadLetterRecord,
    DeadLetterStore, Reason, Subject,
};

use crate::store_contract::TestDatabase;
use crate::support::clock::moment;

/// A database that stores dead letters.
pub trait WithDeadLetters: TestDatabase {
    type DeadLetters: DeadLetterStore;

    fn dead_letters(&self) -> Self::DeadLetters;

    /// Makes every further audit entry fail.
    async fn refuse_actions(&self);
}

pub const MAX_REPLAYS: u32 = 3;

/// A dead letter that differs from others only by its number.
pub fn dead_letter(number: u8) -> DeadLetter {
    DeadLetter {
        key: [number; 16],
        exchange: "orders".to_owned(),
        routing_key: "order.cancel".to_owned(),
        properties: Properties::default(),
        body: format!("body {number}").into_bytes(),
        reason: reason("order_not_found", "there is no order 14"),
        subject: Subject::default(),
        failed_at: at(number.into()),
        attempts: 1,
        replay_of: None,
    }
}

/// The dead letter of a replay that failed again, with a key of its own.
pub fn failed_again(replayed: &DeadLetterRecord, key: u8) -> DeadLetter {
    DeadLetter {
        key: [key; 16],
        reason: reason("invalid_field", "still wrong"),
        failed_at: at(key.into()),
        replay_of: Some((replayed.dead_letter.key, replayed.replays)),
        ..replayed.dead_letter.clone()
    }
}

pub fn reason(code: &str, detail: &str) -> Reason {
    Reason { code: code.to_owned(), detail: detail.to_owned(), pattern: detail.to_owned() }
}

/// Seconds after a fixed time.
pub fn at(seconds: i64) -> DateTime<Utc> {
    moment("2026-11-20T09:30:00.123456Z") + TimeDelta::seconds(seconds)
}

pub fn action(what: AuditAction) -> AuditEntry {
    AuditEntry {
        at: at(100),
        who: "ada".to_owned(),
        what,
        why: Some("it's \"fixed\"".to_owned()),
        verdict: "confirmed".to_owned(),
    }
}

pub async fn collect<D: WithDeadLetters>(database: &D, dead_letters: &[DeadLetter]) -> u64 {
    database.dead_letters().collect(dead_letters, at(50)).await.unwrap()
}

/// Stores dead letters and returns all ids.
pub async fn collected<D: WithDeadLetters>(database: &D, dead_letters: &[DeadLetter]) -> Vec<i64> {
    collect(database, dead_letters).await;
    database.dead_letters().dead_letter_ids(&DeadLetterFilter::default(), 1_000).await.unwrap()
}

/// Stores one dead letter and loads it.
pub async fn kept<D: WithDeadLetters>(database: &D, dead_letter: DeadLetter) -> DeadLetterRecord {
    let key = dead_letter.key;
    collect(database, &[dead_letter]).await;
    by_key(database, key).await
}

pub async fn by_key<D: WithDeadLetters>(database: &D, key: DeadLetterKey) -> DeadLetterRecord {
    let all = all(database).await;
    all.into_iter().find(|kept| kept.dead_letter.key == key).expect("the dead letter is stored")
}

pub async fn all<D: WithDeadLetters>(database: &D) -> Vec<DeadLetterRecord> {
    let dead_letters = database.dead_letters();
    let ids = dead_letters.dead_letter_ids(&DeadLetterFilter::default(), 1_000).await.unwrap();
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        all.push(find(database, id).await);
    }
    all
}

/// Loads a dead letter that must exist.
pub async fn find<D: WithDeadLetters>(database: &D, id: i64) -> DeadLetterRecord {
    database.dead_letters().dead_letter(id).await.unwrap().expect("the dead letter exists")
}

/// Claims it for a replay.
pub async fn claim<D: WithDeadLetters>(database: &D, id: i64) -> Option<DeadLetterRecord> {
    try_claim(database, id, at(0)).await.unwrap()
}

pub async fn try_claim<D: WithDeadLetters>(
    database: &D,
    id: i64,
    abandoned_before: DateTime<Utc>,
) -> Result<Option<DeadLetterRecord>, StoreError> {
    let dead_letters = database.dead_letters();
    dead_letters.claim_dead_letter(id, MAX_REPLAYS, abandoned_before, at(60)).await
}

/// Claims it for a replay and finishes that as confirmed.
pub async fn replay<D: WithDeadLetters>(database: &D, id: i64) -> DeadLetterRecord {
    let claimed = claim(database, id).await.expect("it can be claimed");
    finish(database, &claimed, true).await;
    claimed
}

pub async fn finish<D: WithDeadLetters>(database: &D, claimed: &DeadLetterRecord, confirmed: bool) {
    let (dead_letters, action) = (database.dead_letters(), action(AuditAction::Replay));
    dead_letters.finish_replay(claimed.id, claimed.replays, confirmed, &action).await.unwrap();
}

/// Makes a test of each claim, for one kind of database.
macro_rules! dead_letter_contract {
    ($database:ty $(, #[$attribute:meta])*) => {
        $crate::store_contract::claims! { dead_letter_contract, $database, [$(#[$attribute])*],
            counting::open_dead_letters_are_counted_by_code,
            counting::the_oldest_open_dead_letter_has_its_age,
            collecting::a_dead_letter_round_trips,
            collecting::any_bytes_round_trip,
            collecting::text_with_a_nul_is_stored,
            collecting::a_dead_letter_delivered_twice_is_stored_once,
            collecting::a_dead_letter_collected_by_two_at_once_is_stored_once,
            collecting::a_failed_replay_reopens_its_dead_letter,
            collecting::a_failed_replay_delivered_twice_counts_once,
            collecting::another_copy_of_a_failure_changes_nothing,
            collecting::a_failure_redelivered_after_the_next_replay_changes_nothing,
            collecting::an_unconfirmed_replay_may_fail_again,
            collecting::a_failure_of_an_earlier_replay_is_a_dead_letter_of_its_own,
            collecting::a_replay_with_another_body_is_a_dead_letter_of_its_own,
            collecting::the_replay_of_an_unknown_dead_letter_is_a_dead_letter_of_its_own,
            replaying::of_two_concurrent_claims_one_succeeds,
            replaying::a_claimed_dead_letter_is_replaying_with_one_more_replay,
            replaying::an_abandoned_claim_can_be_claimed_again,
            replaying::a_dead_letter_is_replayed_up_to_the_maximum,
            replaying::an_abandoned_last_replay_can_be_claimed_again,
            replaying::a_confirmed_replay_is_replayed,
            replaying::an_unconfirmed_replay_is_open_again_and_not_counted,
            replaying::finishing_a_replay_that_failed_again_changes_nothing,
            replaying::finishing_a_replay_that_another_has_claimed_changes_nothing,
            finding::a_dead_letter_is_found_by_the_id_of_its_message,
            finding::each_part_of_a_filter_must_hold,
            finding::all_parts_of_a_filter_must_hold_together,
            finding::text_is_found_in_any_case,
            finding::wildcards_in_text_are_literal,
            finding::the_times_of_a_filter_are_inclusive,
            finding::dead_letters_come_with_the_latest_failure_first,
            finding::a_list_continues_after_a_cursor,
            finding::a_summary_equals_that_of_its_record,
            finding::dead_letters_without_a_command_can_be_found,
            finding::dead_letters_are_counted_by_state_and_code,
            finding::ids_are_in_ascending_order,
            finding::similar_dead_letters_form_a_group,
            finding::an_unknown_id_finds_no_dead_letter,
            deciding::an_edit_replaces_the_body_and_keeps_the_reason,
            deciding::an_edit_that_would_still_fail_has_a_new_reason,
            deciding::the_original_body_survives_two_edits,
            deciding::of_two_edits_of_one_revision_one_is_rejected,
            deciding::only_an_open_dead_letter_can_be_edited,
            deciding::only_an_open_dead_letter_can_be_discarded,
            deciding::a_discarded_or_replayed_dead_letter_can_be_restored,
            deciding::every_change_writes_an_audit_entry,
            deciding::a_rejected_change_writes_no_audit_entry,
            deciding::a_change_fails_if_its_audit_entry_cannot_be_written,
            deciding::an_audit_entry_can_be_written_without_a_change,
            pruning::old_dead_letters_are_deleted_with_their_audit_entries,
            pruning::a_dead_letter_that_is_replaying_stays,
            pruning::handled_messages_are_deleted_unless_a_dead_letter_has_their_id,
            pruning::the_history_of_open_orders_stays,
            pruning::the_last_change_of_an_order_stays,
            pruning::without_a_cutoff_the_history_stays,
            pruning::recent_rows_stay,
            pruning::rows_are_deleted_in_batches,
        }
    };
}

pub(crate) use dead_letter_contract;
