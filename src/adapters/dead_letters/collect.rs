//! Keeping dead letters that come from the broker, which may hand out each of them more than once.

use chrono::{DateTime, Utc};

use super::{Columns, DeadLetterTransaction, Statement, rows, sql};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{
    DeadLetter, DeadLetterKey, DeadLetterState, properties_to_json,
};

/// The kept dead letter whose replay a new one says it is.
struct Replayed {
    id: i64,
    state: DeadLetterState,
    replays: u32,
    body: Vec<u8>,
    /// The keys of its replays that came back, one after another.
    failed_replays: Vec<u8>,
}

/// What becomes of a dead letter.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is there already.
    Known,
    /// It is another copy of a failure that is there already.
    Repeat,
    /// The kept dead letter failed again.
    OpensAgain,
    New,
}

/// Keeps one dead letter; returns how many rows are new or open again.
pub async fn keep(
    transaction: &mut impl DeadLetterTransaction,
    dead_letter: &DeadLetter,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let Some((key, replay)) = &dead_letter.replay_of else {
        return transaction.execute(added(dead_letter, now)).await;
    };
    let locked = transaction.rows(Statement::new(sql::LOCK_REPLAYED).bytes(&key[..])).await?;
    let Some(replayed) = locked.first().map(Replayed::from_row).transpose()? else {
        return transaction.execute(added(dead_letter, now)).await;
    };
    match replayed.fate_of(dead_letter, *replay) {
        Fate::Known => Ok(0),
        Fate::Repeat => {
            transaction.execute(replayed.noted(&dead_letter.key)).await?;
            Ok(0)
        }
        Fate::OpensAgain => transaction.execute(replayed.opened_by(dead_letter, now)).await,
        Fate::New => transaction.execute(added(dead_letter, now)).await,
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

    /// A replay that nobody could confirm is not counted, but may have reached the broker: it can
    /// fail with a number that is greater than that of the replays.
    fn fate_of(&self, dead_letter: &DeadLetter, replay: u32) -> Fate {
        if self.failed_replays.chunks(dead_letter.key.len()).any(|key| key == dead_letter.key) {
            return Fate::Known;
        }
        if self.body != dead_letter.body {
            return Fate::New;
        }
        match self.state {
            DeadLetterState::Replaying | DeadLetterState::Replayed if replay == self.replays => {
                Fate::OpensAgain
            }
            DeadLetterState::Open | DeadLetterState::Discarded if replay >= self.replays => {
                Fate::Repeat
            }
            DeadLetterState::Open
            | DeadLetterState::Replaying
            | DeadLetterState::Replayed
            | DeadLetterState::Discarded => Fate::New,
        }
    }

    fn noted(&self, key: &DeadLetterKey) -> Statement<'static> {
        Statement::new(sql::NOTE_FAILED_REPLAY).int(self.id).owned_bytes(self.failed_with(key))
    }

    fn opened_by<'a>(&self, dead_letter: &'a DeadLetter, now: DateTime<Utc>) -> Statement<'a> {
        let reason = &dead_letter.reason;
        Statement::new(sql::OPEN_AGAIN)
            .int(self.id)
            .text(reason.code.as_str())
            .text(reason.detail.as_str())
            .text(reason.pattern.as_str())
            .owned_text(Some(reason.detail.to_lowercase()))
            .int(dead_letter.attempts)
            .moment(dead_letter.failed_at)
            .moment(now)
            .owned_bytes(self.failed_with(&dead_letter.key))
    }

    fn failed_with(&self, key: &DeadLetterKey) -> Vec<u8> {
        [&self.failed_replays[..], key].concat()
    }
}

fn added(dead_letter: &DeadLetter, now: DateTime<Utc>) -> Statement<'_> {
    let DeadLetter { reason, subject, properties, replay_of, .. } = dead_letter;
    Statement::new(sql::ADD)
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
        .moment(dead_letter.failed_at)
        .moment(now)
}
