//! Counts by state and by code, as links that filter the list.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::search::{ANY, Search};
use crate::bootstrap::Database;
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{DeadLetterCount, DeadLetterFilter, DeadLetterState};

/// Maximum number of counts, one for each state and code. This worker has a few dozen codes.
const MAX_COUNTED: u32 = 1_000;

/// Maximum number of codes that are shown.
const CODES_SHOWN: usize = 20;

/// Counts of the search without its state, code and pattern, so that the alternatives are visible.
pub struct Counts(Vec<DeadLetterCount>);

impl Counts {
    pub async fn of(database: &Database, filter: &DeadLetterFilter) -> Result<Self, StoreError> {
        let filter = DeadLetterFilter { state: None, code: None, pattern: None, ..filter.clone() };
        Ok(Self(database.dead_letters().dead_letter_counts(&filter, MAX_COUNTED).await?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn markup(&self, search: &Search, state: Option<DeadLetterState>) -> Markup {
        html! {
            nav .facets aria-label="By state" {
                ul {
                    @for known in DeadLetterState::ALL {
                        (self.state_link(search, known.as_str(), Some(known), state))
                    }
                    (self.state_link(search, ANY, None, state))
                }
            }
            @let codes = self.codes(state);
            @if !codes.is_empty() {
                nav .facets aria-label="By code" {
                    ul {
                        @for (code, count) in codes.iter().take(CODES_SHOWN) {
                            li { (self::link(&search.with_code(code), code, *count, search.code == *code)) }
                        }
                        @if !search.code.is_empty() { li { a href=(search.with_code("").url()) { "all codes" } } }
                    }
                }
            }
        }
    }

    fn state_link(
        &self,
        search: &Search,
        label: &str,
        state: Option<DeadLetterState>,
        selected: Option<DeadLetterState>,
    ) -> Markup {
        let matching = self.0.iter().filter(|it| state.is_none_or(|state| it.state == state));
        let count = matching.map(|it| it.count).sum();
        html! { li { (link(&search.in_state(label), label, count, state == selected)) } }
    }

    /// Most frequent first.
    fn codes(&self, state: Option<DeadLetterState>) -> Vec<(&str, u64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for it in self.0.iter().filter(|it| state.is_none_or(|state| it.state == state)) {
            *counts.entry(&it.code).or_default() += it.count;
        }
        let mut codes: Vec<_> = counts.into_iter().collect();
        codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        codes
    }
}

fn link(search: &Search, label: &str, count: u64, is_selected: bool) -> Markup {
    html! {
        a href=(search.url()) aria-current=[is_selected.then_some("true")] {
            bdi { (label) } " " span .count { (count) }
        }
    }
}
