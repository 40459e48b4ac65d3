//! What every database must do for dead letters.

pub mod collecting;
pub mod counting;
pub mod deciding;
pub mod finding;
pub mod pruning;
pub mod replaying;

use chrono::{DateTime, TimeDelta, Utc};
use order_worker::service_layer::dead_letters::{
    AuditAction, AuditEntry, DeadLetter, DeadLetterFilter, DeadLetterKey, DeadLetterRecord,
    DeadLetterStore, Reason, Subject,
};
use order_worker::service_layer::{Properties, StoreError};

use crate::store_contract::TestDatabase;
use crate::support::clock::moment;

/// A database that keeps dead letters.
pub trait WithDeadLetters: TestDatabase {
    type DeadLetters: DeadLetterStore;

    fn dead_letters(&self) -> Self::DeadLetters;

    /// From now on no action can be recorded.
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

/// The dead letter that a replay became, under a key of its own.
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

/// Whole seconds after a fixed moment.
pub fn at(seconds: i64) -> DateTime<Utc> {
    moment("2026-11-20T09:30:00.123456Z") + TimeDelta::seconds(seconds)
}

pub fn action(what: AuditAction) -> AuditEntry {
    AuditEntry {
        at: at(100),
        who: "ada".to_owned(),
        what,
        why: Some("it's \"mended\"".to_owned()),
        verdict: "confirmed".to_owned(),
    }
}

pub async fn collect<D: WithDeadLetters>(database: &D, dead_letters: &[DeadLetter]) -> u64 {
    database.dead_letters().collect(dead_letters, at(50)).await.unwrap()
}

/// Keeps dead letters; returns their ids.
pub async fn collected<D: WithDeadLetters>(database: &D, dead_letters: &[DeadLetter]) -> Vec<i64> {
    collect(database, dead_letters).await;
    database.dead_letters().dead_letter_ids(&DeadLetterFilter::default(), 1_000).await.unwrap()
}

/// Keeps one dead letter as it comes back.
pub async fn kept<D: WithDeadLetters>(database: &D, dead_letter: DeadLetter) -> DeadLetterRecord {
    let key = dead_letter.key;
    collect(database, &[dead_letter]).await;
    by_key(database, key).await
}

pub async fn by_key<D: WithDeadLetters>(database: &D, key: DeadLetterKey) -> DeadLetterRecord {
    let all = all(database).await;
    all.into_iter().find(|kept| kept.dead_letter.key == key).expect("the dead letter is kept")
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

/// A dead letter that must be there.
pub async fn find<D: WithDeadLetters>(database: &D, id: i64) -> DeadLetterRecord {
    database.dead_letters().dead_letter(id).await.unwrap().expect("the dead letter is there")
}

/// Takes it for a replay.
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

/// Takes it for a replay and publishes it.
pub async fn replay<D: WithDeadLetters>(database: &D, id: i64) -> DeadLetterRecord {
    let claimed = claim(database, id).await.expect("it can be taken");
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
            counting::open_ones_are_counted_by_code,
            counting::the_oldest_open_one_has_its_age,
            collecting::a_dead_letter_comes_back_as_it_went,
            collecting::any_bytes_round_trip,
            collecting::text_with_a_nul_is_kept_all_the_same,
            collecting::a_dead_letter_handed_out_twice_is_kept_once,
            collecting::a_dead_letter_collected_by_two_at_once_is_kept_once,
            collecting::a_failed_replay_opens_its_dead_letter_again,
            collecting::a_failed_replay_handed_out_twice_counts_once,
            collecting::another_copy_of_a_failure_changes_nothing,
            collecting::a_failure_handed_out_again_after_the_next_replay_changes_nothing,
            collecting::a_replay_that_nobody_confirmed_may_fail_all_the_same,
            collecting::a_failure_of_an_earlier_replay_is_a_dead_letter_of_its_own,
            collecting::a_replay_with_another_body_is_a_dead_letter_of_its_own,
            collecting::the_replay_of_an_unknown_dead_letter_is_a_dead_letter_of_its_own,
            replaying::of_two_that_want_a_dead_letter_one_gets_it,
            replaying::a_claim_is_replaying_and_counts,
            replaying::an_abandoned_claim_is_taken_over,
            replaying::a_dead_letter_is_replayed_so_often_and_no_more,
            replaying::an_abandoned_last_replay_is_taken_over_all_the_same,
            replaying::a_confirmed_replay_is_replayed,
            replaying::an_unconfirmed_replay_is_open_again_and_not_counted,
            replaying::the_end_of_a_replay_that_failed_already_changes_nothing,
            replaying::the_end_of_a_replay_that_was_taken_over_changes_nothing,
            finding::a_dead_letter_is_found_by_the_id_of_its_message,
            finding::each_part_of_a_filter_must_hold,
            finding::all_parts_of_a_filter_must_hold_together,
            finding::text_is_found_in_whatever_case,
            finding::wildcards_in_text_are_taken_literally,
            finding::moments_of_a_filter_include_themselves,
            finding::dead_letters_come_with_the_latest_failure_first,
            finding::a_list_goes_on_after_a_place,
            finding::a_summary_says_the_same_as_its_dead_letter,
            finding::those_of_no_command_can_be_found,
            finding::dead_letters_are_counted_by_state_and_code,
            finding::ids_come_in_the_order_in_which_they_came,
            finding::dead_letters_that_look_alike_make_a_group,
            finding::a_dead_letter_that_is_not_there_is_none,
            deciding::an_edit_gives_another_body_and_keeps_the_reason,
            deciding::an_edit_that_would_still_fail_has_a_new_reason,
            deciding::the_body_that_came_outlives_two_edits,
            deciding::of_two_edits_of_one_revision_one_is_refused,
            deciding::only_an_open_dead_letter_can_be_edited,
            deciding::only_an_open_dead_letter_can_be_discarded,
            deciding::a_discarded_or_replayed_dead_letter_can_be_restored,
            deciding::every_change_leaves_its_action,
            deciding::a_change_that_is_refused_leaves_no_action,
            deciding::a_change_that_cannot_be_recorded_does_not_happen,
            deciding::an_action_that_changes_nothing_is_recorded_alone,
            pruning::old_dead_letters_go_with_their_actions,
            pruning::a_dead_letter_that_somebody_is_replaying_stays,
            pruning::handled_messages_go_but_for_those_that_a_dead_letter_names,
            pruning::the_history_of_open_orders_stays,
            pruning::the_last_change_of_an_order_stays,
            pruning::without_a_cutoff_the_history_stays,
            pruning::what_is_young_stays,
            pruning::rows_go_in_batches,
        }
    };
}

pub(crate) use dead_letter_contract;
