//! Selections of dead letters.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use super::replay::abandoned_before;
use crate::domain::OrderId;
use crate::service_layer::dead_letters::{
    DeadLetter, DeadLetterFilter, DeadLetterRecord, DeadLetterState, DeadLetterStore,
};
use crate::service_layer::{OrderHistory, OrderQueries, StoreError};

/// Maximum dead letters that replays have claimed. Each replay claims one at a time.
const MAX_CLAIMED: u32 = 1000;

/// How long ago: a number and s, m, h or d.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(TimeDelta);

impl Age {
    /// The time that long before `now`; none if it cannot be represented.
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

/// Narrows a filter to the group of an example: the same code, command and pattern of the detail.
pub fn alike(filter: DeadLetterFilter, example: DeadLetter) -> DeadLetterFilter {
    DeadLetterFilter {
        code: Some(example.reason.code),
        command: Some(example.subject.command.unwrap_or_default()),
        pattern: Some(example.reason.pattern),
        ..filter
    }
}

/// The ids of those that match and can be replayed: the open ones, and those that a crashed replay
/// has claimed. Oldest first; at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn replayable_ids(
    dead_letters: &dyn DeadLetterStore,
    filter: &DeadLetterFilter,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, StoreError> {
    let includes = |state| filter.state.is_none_or(|wanted| wanted == state);
    let in_state = |state| DeadLetterFilter { state: Some(state), ..filter.clone() };
    let mut ids = Vec::new();
    if includes(DeadLetterState::Open) {
        ids = dead_letters.dead_letter_ids(&in_state(DeadLetterState::Open), limit).await?;
    }
    if includes(DeadLetterState::Replaying) {
        let claimed = dead_letters
            .dead_letters(&in_state(DeadLetterState::Replaying), None, MAX_CLAIMED)
            .await?;
        let abandoned =
            claimed.iter().filter(|dead_letter| dead_letter.changed_at < abandoned_before(now));
        ids.extend(abandoned.map(|dead_letter| dead_letter.id));
    }
    ids.sort_unstable();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ids)
}

/// The order that a dead letter is about, as it is now.
///
/// # Errors
/// When the database fails.
pub async fn current_order(
    orders: &dyn OrderQueries,
    record: &DeadLetterRecord,
) -> Result<Option<OrderHistory>, StoreError> {
    match record.dead_letter.subject.order_id.as_deref().map(OrderId::new) {
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
