//! Which dead letters are meant.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use super::replay::abandoned_before;
use crate::domain::OrderId;
use crate::service_layer::dead_letters::{
    DeadLetter, DeadLetterFilter, DeadLetterRecord, DeadLetterState, DeadLetterStore,
};
use crate::service_layer::{OrderHistory, OrderQueries, StoreError};

/// Most dead letters in the hands of replays, of which each has one at a time.
const MAX_IN_HAND: u32 = 1000;

/// How long ago, as people write it: a number and s, m, h or d.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(TimeDelta);

impl Age {
    /// The moment so long before another; none before the beginning of time.
    pub fn before(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_sub_signed(self.0)
    }
}

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be a number and s, m, h or d, such as 12h";
        let unit = text.chars().last().ok_or(WRONG)?;
        let number: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| WRONG)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(WRONG),
        };
        Ok(Self(TimeDelta::seconds(i64::from(number) * seconds)))
    }
}

/// Those of a filter that look like an example: the same code, command and pattern of the detail.
pub fn alike(filter: DeadLetterFilter, example: DeadLetter) -> DeadLetterFilter {
    DeadLetterFilter {
        code: Some(example.reason.code),
        command: Some(example.subject.command.unwrap_or_default()),
        pattern: Some(example.reason.pattern),
        ..filter
    }
}

/// The ids of those that match and can be replayed: the open ones, and those that somebody took for
/// a replay and never finished. In the order in which they came; at most `limit`.
///
/// # Errors
/// See [`StoreError`].
pub async fn replayable_ids(
    dead_letters: &dyn DeadLetterStore,
    filter: &DeadLetterFilter,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, StoreError> {
    let asks_for = |state| filter.state.is_none_or(|asked| asked == state);
    let in_state = |state| DeadLetterFilter { state: Some(state), ..filter.clone() };
    let mut ids = Vec::new();
    if asks_for(DeadLetterState::Open) {
        ids = dead_letters.dead_letter_ids(&in_state(DeadLetterState::Open), limit).await?;
    }
    if asks_for(DeadLetterState::Replaying) {
        let taken = dead_letters
            .dead_letters(&in_state(DeadLetterState::Replaying), None, MAX_IN_HAND)
            .await?;
        let abandoned =
            taken.iter().filter(|dead_letter| dead_letter.changed_at < abandoned_before(now));
        ids.extend(abandoned.map(|dead_letter| dead_letter.id));
    }
    ids.sort_unstable();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ids)
}

/// The order that a dead letter is about, as it is now.
///
/// # Errors
/// See [`StoreError`].
pub async fn present_order(
    orders: &dyn OrderQueries,
    stored: &DeadLetterRecord,
) -> Result<Option<OrderHistory>, StoreError> {
    match stored.dead_letter.subject.order_id.as_deref().map(OrderId::new) {
        Some(Ok(order_id)) => orders.order(&order_id).await,
        Some(Err(_)) | None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_and_a_unit() {
        assert_eq!("90s".parse(), Ok(Age(TimeDelta::seconds(90))));
        assert_eq!("7d".parse(), Ok(Age(TimeDelta::days(7))));
        for text in ["", "7", "d", "-1d", "1w", "1.5h", "7ü"] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
    }
}
