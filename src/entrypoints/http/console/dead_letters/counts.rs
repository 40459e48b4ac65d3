//! How many there are, by state and by code.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::search::{ANY, Search};
use crate::bootstrap::Database;
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{DeadLetterCount, DeadLetterFilter, DeadLetterState};

/// Most sums, of states and codes together; the worker itself has some dozens.
const MAX_COUNTED: u32 = 1_000;

/// Most codes that are shown.
const CODES_SHOWN: usize = 20;

/// Of what matches but for its state, its code and its pattern, so that other choices can be seen.
pub struct Sums(Vec<DeadLetterCount>);

impl Sums {
    pub async fn of(database: &Database, filter: &DeadLetterFilter) -> Result<Self, StoreError> {
        let wide = DeadLetterFilter { state: None, code: None, pattern: None, ..filter.clone() };
        Ok(Self(database.dead_letters().dead_letter_counts(&wide, MAX_COUNTED).await?))
    }

    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    pub fn markup(&self, search: &Search, state: Option<DeadLetterState>) -> Markup {
        html! {
            nav .sums aria-label="By state" {
                ul {
                    @for known in DeadLetterState::ALL {
                        (self.state(search, known.as_str(), Some(known), state))
                    }
                    (self.state(search, ANY, None, state))
                }
            }
            @let codes = self.codes(state);
            @if !codes.is_empty() {
                nav .sums aria-label="By code" {
                    ul {
                        @for (code, count) in codes.iter().take(CODES_SHOWN) {
                            li { (self::link(&search.with_code(code), code, *count, search.code == *code)) }
                        }
                        @if !search.code.is_empty() { li { a href=(search.with_code("").address()) { "all codes" } } }
                    }
                }
            }
        }
    }

    fn state(
        &self,
        search: &Search,
        word: &str,
        state: Option<DeadLetterState>,
        chosen: Option<DeadLetterState>,
    ) -> Markup {
        let those = self.0.iter().filter(|it| state.is_none_or(|state| it.state == state));
        let count = those.map(|it| it.count).sum();
        html! { li { (link(&search.in_state(word), word, count, state == chosen)) } }
    }

    /// The most frequent first.
    fn codes(&self, state: Option<DeadLetterState>) -> Vec<(&str, u64)> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for it in self.0.iter().filter(|it| state.is_none_or(|state| it.state == state)) {
            *sums.entry(&it.code).or_default() += it.count;
        }
        let mut codes: Vec<_> = sums.into_iter().collect();
        codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        codes
    }
}

fn link(search: &Search, word: &str, count: u64, is_chosen: bool) -> Markup {
    html! {
        a href=(search.address()) aria-current=[is_chosen.then_some("true")] {
            bdi { (word) } " " span .count { (count) }
        }
    }
}
