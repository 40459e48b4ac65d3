//! Queries of dead letters.

use order_worker::domain::MessageId;
use order_worker::messages::Properties;
use order_worker::service_layer::dead_letters::{
    AuditAction, DeadLetter, DeadLetterCount, DeadLetterFilter, DeadLetterGroup, DeadLetterState,
    DeadLetterStore, DeadLetterSummary, Reason, Subject,
};

use super::{WithDeadLetters, action, at, claim, collect, collected, dead_letter, find, reason};

pub async fn each_part_of_a_filter_must_hold<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[dead_letter(1), distinct(2)]).await;
    claim(database, ids[1]).await.unwrap();
    let any = DeadLetterFilter::default();

    let filters = [
        DeadLetterFilter { state: Some(DeadLetterState::Replaying), ..any.clone() },
        DeadLetterFilter { code: Some("invalid_field".to_owned()), ..any.clone() },
        DeadLetterFilter { command: Some("SetStatus".to_owned()), ..any.clone() },
        DeadLetterFilter { order_id: Some("o-7".to_owned()), ..any.clone() },
        DeadLetterFilter { customer_id: Some("c-7".to_owned()), ..any.clone() },
        DeadLetterFilter { text: Some("status".to_owned()), ..any.clone() },
        DeadLetterFilter { publisher: Some("shop".to_owned()), ..any.clone() },
        DeadLetterFilter { pattern: Some("status …".to_owned()), ..any.clone() },
        DeadLetterFilter { failed_from: Some(at(2)), ..any.clone() },
    ];
    for filter in filters {
        assert_eq!(found(database, &filter).await, [ids[1]], "{filter:?}");
    }
    assert_eq!(found(database, &any).await, ids);
}

pub async fn a_dead_letter_is_found_by_the_id_of_its_message<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[named(1, "m-1"), named(2, "m-2"), named(3, "m-1")]).await;

    let id_of = async |message_id| {
        let message_id = MessageId::new(message_id).unwrap();
        let found = database.dead_letters().dead_letter_of_message(&message_id).await.unwrap();
        found.map(|dead_letter| dead_letter.id)
    };

    assert_eq!(id_of("m-1").await, Some(ids[2]), "the last one");
    assert_eq!(id_of("m-2").await, Some(ids[1]));
    assert_eq!(id_of("m").await, None);
}

pub async fn all_parts_of_a_filter_must_hold_together<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[dead_letter(1), distinct(2), distinct(3)]).await;
    let shop = DeadLetterFilter {
        code: Some("invalid_field".to_owned()),
        publisher: Some("shop".to_owned()),
        failed_until: Some(at(2)),
        ..DeadLetterFilter::default()
    };

    assert_eq!(found(database, &shop).await, [ids[1]]);
    let other = DeadLetterFilter { command: Some("CancelOrder".to_owned()), ..shop };
    assert_eq!(found(database, &other).await, [0; 0]);
}

pub async fn text_is_found_in_any_case<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[with_detail(1, "Größe ÜBER allem"), dead_letter(2)]).await;

    for text in ["größe", "GRöß", "über ALLEM", "Größe ÜBER allem"] {
        assert_eq!(with_text(database, text).await, ids[..1], "{text}");
    }
}

pub async fn wildcards_in_text_are_literal<D: WithDeadLetters>(database: &D) {
    let details = ["100 % of it", "order_id is", r"a\b", "nothing's there"];
    let dead_letters = (1..).zip(details).map(|(number, detail)| with_detail(number, detail));
    let ids = collected(database, &dead_letters.collect::<Vec<_>>()).await;

    for (text, id) in ["0 %", "r_i", r"\", "'s"].iter().zip(&ids) {
        assert_eq!(with_text(database, text).await, [*id], "{text}");
    }
    for text in ["1%f", "a_b", r"\%", "%%"] {
        assert_eq!(with_text(database, text).await, [0; 0], "{text}");
    }
    assert_eq!(with_text(database, "").await, ids);
}

pub async fn the_times_of_a_filter_are_inclusive<D: WithDeadLetters>(database: &D) {
    let ids =
        collected(database, &[dead_letter(1), dead_letter(2), dead_letter(3), dead_letter(4)])
            .await;

    let filter = DeadLetterFilter {
        failed_from: Some(at(2)),
        failed_until: Some(at(3)),
        ..DeadLetterFilter::default()
    };

    assert_eq!(found(database, &filter).await, ids[1..3]);
}

pub async fn dead_letters_come_with_the_latest_failure_first<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[dead_letter(2), dead_letter(3), dead_letter(1)]).await;
    let any = DeadLetterFilter::default();

    assert_eq!(listed(database, &any, None, 9).await, [ids[1], ids[0], ids[2]]);
    assert_eq!(listed(database, &any, None, 1).await, [ids[1]]);
}

pub async fn a_list_continues_after_a_cursor<D: WithDeadLetters>(database: &D) {
    let tied = [2, 3, 4].map(|number| DeadLetter { failed_at: at(1), ..dead_letter(number) });
    let ids = collected(database, &[&tied[..], &[dead_letter(5)]].concat()).await;
    let any = DeadLetterFilter::default();

    let first = database.dead_letters().dead_letters(&any, None, 2).await.unwrap();
    let rest = listed(database, &any, Some(&first[1]), 9).await;

    assert_eq!(first.iter().map(|one| one.id).collect::<Vec<_>>(), [ids[3], ids[2]]);
    assert_eq!(rest, [ids[1], ids[0]]);
}

pub async fn a_summary_equals_that_of_its_record<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[distinct(1)]).await;

    let listed =
        database.dead_letters().dead_letters(&DeadLetterFilter::default(), None, 9).await.unwrap();

    assert_eq!(listed, [find(database, ids[0]).await.summary()]);
}

pub async fn dead_letters_without_a_command_can_be_found<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[dead_letter(1), distinct(2)]).await;

    let unreadable =
        DeadLetterFilter { command: Some(String::new()), ..DeadLetterFilter::default() };

    assert_eq!(found(database, &unreadable).await, ids[..1]);
}

pub async fn dead_letters_are_counted_by_state_and_code<D: WithDeadLetters>(database: &D) {
    let ids =
        collected(database, &[dead_letter(1), dead_letter(2), dead_letter(3), distinct(4)]).await;
    claim(database, ids[0]).await.unwrap();
    let dead_letters = database.dead_letters();

    let counts = dead_letters.dead_letter_counts(&DeadLetterFilter::default(), 9).await.unwrap();

    let count = |state, code: &str, count| DeadLetterCount { state, code: code.to_owned(), count };
    let largest = count(DeadLetterState::Open, "order_not_found", 2);
    let others = [
        count(DeadLetterState::Open, "invalid_field", 1),
        count(DeadLetterState::Replaying, "order_not_found", 1),
    ];
    assert_eq!((&counts[0], &counts[1..]), (&largest, &others[..]));
    assert_eq!(
        dead_letters.dead_letter_counts(&DeadLetterFilter::default(), 1).await.unwrap(),
        [largest]
    );
}

pub async fn ids_are_in_ascending_order<D: WithDeadLetters>(database: &D) {
    let ids = collected(database, &[dead_letter(2), dead_letter(3), dead_letter(1)]).await;

    let dead_letters = database.dead_letters();
    let mut keys = Vec::new();
    for id in &ids {
        keys.push(dead_letters.dead_letter(*id).await.unwrap().unwrap().dead_letter.key[0]);
    }
    assert_eq!(keys, [2, 3, 1]);
    assert_eq!(
        dead_letters.dead_letter_ids(&DeadLetterFilter::default(), 2).await.unwrap(),
        ids[..2]
    );
}

pub async fn similar_dead_letters_form_a_group<D: WithDeadLetters>(database: &D) {
    let ids =
        collected(database, &[distinct(1), dead_letter(2), distinct(3), dead_letter(5)]).await;
    collect(database, &[distinct(7)]).await;
    let dead_letters = database.dead_letters();

    let groups = dead_letters.dead_letter_groups(&DeadLetterFilter::default(), 10).await.unwrap();

    let largest = DeadLetterGroup {
        code: "invalid_field".to_owned(),
        command: Some("SetStatus".to_owned()),
        pattern: "status …".to_owned(),
        count: 3,
        first_failed_at: at(1),
        last_failed_at: at(7),
        example: ids[3] + 1,
    };
    assert_eq!((&groups[0], groups[1].count, groups.len()), (&largest, 2, 2));
    assert_eq!(
        dead_letters.dead_letter_groups(&DeadLetterFilter::default(), 1).await.unwrap(),
        [largest]
    );
    let late = DeadLetterFilter { failed_from: Some(at(5)), ..DeadLetterFilter::default() };
    let counts = dead_letters.dead_letter_groups(&late, 10).await.unwrap();
    assert_eq!(counts.iter().map(|group| group.count).collect::<Vec<_>>(), [1, 1]);
}

pub async fn an_unknown_id_finds_no_dead_letter<D: WithDeadLetters>(database: &D) {
    let dead_letters = database.dead_letters();

    assert_eq!(dead_letters.dead_letter(14).await.unwrap(), None);
    assert_eq!(dead_letters.dead_letter_actions(14).await.unwrap(), []);
    assert_eq!(dead_letters.claim_dead_letter(14, 9, at(0), at(1)).await.unwrap(), None);
    let discard = action(AuditAction::Discard);
    assert!(!dead_letters.discard_dead_letter(14, &discard).await.unwrap());
}

/// Differs in everything that can be filtered.
fn distinct(number: u8) -> DeadLetter {
    let reason = Reason {
        code: "invalid_field".to_owned(),
        detail: format!("status {number}"),
        pattern: "status …".to_owned(),
    };
    let subject = Subject {
        command: Some("SetStatus".to_owned()),
        order_id: Some("o-7".to_owned()),
        customer_id: Some("c-7".to_owned()),
    };
    let properties = Properties { app_id: Some("shop".to_owned()), ..Properties::default() };
    DeadLetter { reason, subject, properties, ..dead_letter(number) }
}

fn named(number: u8, message_id: &str) -> DeadLetter {
    let message_id = Some(message_id.to_owned());
    let properties = Properties { message_id, ..Properties::default() };
    DeadLetter { properties, ..dead_letter(number) }
}

fn with_detail(number: u8, detail: &str) -> DeadLetter {
    DeadLetter { reason: reason("invalid_field", detail), ..dead_letter(number) }
}

async fn with_text<D: WithDeadLetters>(database: &D, text: &str) -> Vec<i64> {
    let text = Some(text.to_owned());
    found(database, &DeadLetterFilter { text, ..DeadLetterFilter::default() }).await
}

async fn found<D: WithDeadLetters>(database: &D, filter: &DeadLetterFilter) -> Vec<i64> {
    let dead_letters = database.dead_letters();
    let ids = dead_letters.dead_letter_ids(filter, 100).await.unwrap();
    let mut listed = listed(database, filter, None, 100).await;
    listed.sort_unstable();
    assert_eq!(listed, ids, "lists and ids agree");
    ids
}

async fn listed<D: WithDeadLetters>(
    database: &D,
    filter: &DeadLetterFilter,
    after: Option<&DeadLetterSummary>,
    limit: u32,
) -> Vec<i64> {
    let dead_letters = database.dead_letters();
    let found = dead_letters
        .dead_letters(filter, after.map(DeadLetterSummary::cursor), limit)
        .await
        .unwrap();
    found.iter().map(|one| one.id).collect()
}
