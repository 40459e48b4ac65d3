//! Stores dead letters collected from the broker, which may deliver each of them more than once.

use chrono::{DateTime, Utc};

use super::{Columns, DeadLetterTransaction, Statement, rows, sql};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{
    DeadLetter, DeadLetterKey, DeadLetterState, properties_to_json,
};

/// The stored dead letter that a collected one is a failed replay of, according to its headers.
struct Replayed {
    id: i64,
    state: DeadLetterState,
    replays: u32,
    body: Vec<u8>,
    /// The keys of its replays that failed, concatenated.
    failed_replays: Vec<u8>,
}

/// What to do with a collected dead letter.
#[derive(Debug, PartialEq, Eq)]
enum CollectAction {
    /// It is already recorded.
    Ignore,
    /// It is another copy of a recorded failure: only record its key.
    RecordFailedReplay,
    /// A replay failed: reopen the stored dead letter.
    Reopen,
    /// It is new.
    Insert,
}

/// Stores one dead letter; returns the number of rows inserted or reopened.
pub async fn collect_one(
    transaction: &mut impl DeadLetterTransaction,
    dead_letter: &DeadLetter,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let Some((key, replay)) = &dead_letter.replay_of else {
        return transaction.execute(insert(dead_letter, now)).await;
    };
    let locked = transaction.rows(Statement::new(sql::LOCK_REPLAYED).bytes(&key[..])).await?;
    let Some(replayed) = locked.first().map(Replayed::from_row).transpose()? else {
        return transaction.execute(insert(dead_letter, now)).await;
    };
    match replayed.action_for(dead_letter, *replay) {
        CollectAction::Ignore => Ok(0),
        CollectAction::RecordFailedReplay => {
            transaction.execute(replayed.record_failed_replay(&dead_letter.key)).await?;
            Ok(0)
        }
        CollectAction::Reopen => transaction.execute(replayed.reopen(dead_letter, now)).await,
        CollectAction::Insert => transaction.execute(insert(dead_letter, now)).await,
    }
}

impl Replayed {
    fn from_row(row: &impl Columns) -> Result<Self, StoreError> {
        Ok(Self {
            id: rows::int(row, "id")?,
            state: rows::state(row)?,
            replays: rows::count(row, "replays")?,
            body: rows::bytes(row, "body")?,
            failed_replays: rows::bytes(row, "failed_replays")?,
        })
    }

    /// A replay without a confirm is not counted, but may have reached the broker: its number can
    /// be greater than the number of replays.
    fn action_for(&self, dead_letter: &DeadLetter, replay: u32) -> CollectAction {
        if self.failed_replays.chunks(dead_letter.key.len()).any(|key| key == dead_letter.key) {
            return CollectAction::Ignore;
        }
        if self.body != dead_letter.body {
            return CollectAction::Insert;
        }
        match self.state {
            DeadLetterState::Replaying | DeadLetterState::Replayed if replay == self.replays => {
                CollectAction::Reopen
            }
            DeadLetterState::Open | DeadLetterState::Discarded if replay >= self.replays => {
                CollectAction::RecordFailedReplay
            }
            DeadLetterState::Open
            | DeadLetterState::Replaying
            | DeadLetterState::Replayed
            | DeadLetterState::Discarded => CollectAction::Insert,
        }
    }

    fn record_failed_replay(&self, key: &DeadLetterKey) -> Statement<'static> {
        Statement::new(sql::RECORD_FAILED_REPLAY)
            .int(self.id)
            .owned_bytes(self.failed_replays_with(key))
    }

    fn reopen<'a>(&self, dead_letter: &'a DeadLetter, now: DateTime<Utc>) -> Statement<'a> {
        let reason = &dead_letter.reason;
        Statement::new(sql::REOPEN)
            .int(self.id)
            .text(reason.code.as_str())
            .text(reason.detail.as_str())
            .text(reason.pattern.as_str())
            .owned_text(Some(reason.detail.to_lowercase()))
            .int(dead_letter.attempts)
            .timestamp(dead_letter.failed_at)
            .timestamp(now)
            .owned_bytes(self.failed_replays_with(&dead_letter.key))
    }

    fn failed_replays_with(&self, key: &DeadLetterKey) -> Vec<u8> {
        [&self.failed_replays[..], key].concat()
    }
}

fn insert(dead_letter: &DeadLetter, now: DateTime<Utc>) -> Statement<'_> {
    let DeadLetter { reason, subject, properties, replay_of, .. } = dead_letter;
    Statement::new(sql::INSERT)
        .bytes(&dead_letter.key[..])
        .text(reason.code.as_str())
        .text(reason.detail.as_str())
        .text(reason.pattern.as_str())
        .owned_text(Some(reason.detail.to_lowercase()))
        .text(subject.command.as_deref())
        .text(subject.order_id.as_deref())
        .text(subject.customer_id.as_deref())
        .text(properties.message_id.as_deref())
        .text(properties.app_id.as_deref())
        .text(dead_letter.exchange.as_str())
        .text(dead_letter.routing_key.as_str())
        .owned_text(Some(properties_to_json(properties)))
        .bytes(&dead_letter.body[..])
        .bytes(replay_of.as_ref().map(|(key, _)| &key[..]))
        .optional_int(replay_of.map(|(_, replay)| replay))
        .int(dead_letter.attempts)
        .timestamp(dead_letter.failed_at)
        .timestamp(now)
}
