//! Which dead letters a form means.

use std::fmt::Write;

use axum::extract::Query;
use axum::http::Uri;
use maud::{Markup, html};

use super::fields::{Fields, wrong};
use super::search::Search;
use crate::adapters::clock::SystemClock;
use crate::bootstrap::Database;
use crate::entrypoints::http::Problem;
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::jobs::MAX_DEAD_LETTERS;
use crate::service_layer::dead_letters::replayable_ids;
use crate::service_layer::dead_letters::{DeadLetterFilter, DeadLetterState};

/// What a form carries of the dead letters that it means.
#[derive(Debug)]
pub enum Selection {
    /// These.
    Ids(Vec<i64>),
    /// All that match, at the moment.
    Matching(Box<Search>),
}

/// The dead letters that are meant, once it is known which they are.
#[derive(Debug)]
pub struct Meant {
    /// In the order in which they came, each once.
    pub ids: Vec<i64>,
    /// There are more than can be taken at once: these are the first.
    pub is_cut: bool,
    /// Where whoever chose them came from.
    pub back: String,
}

/// What is to be done with them: it says which of those that match can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Replay,
    Discard,
    Restore,
}

impl Selection {
    /// # Errors
    /// When a field means nothing.
    pub fn of(fields: &Fields) -> Result<Self, Problem> {
        if fields.text("which") == "all" {
            return Ok(Self::Matching(Box::new(search(fields)?)));
        }
        let mut ids = unpacked(fields.text("ids")).ok_or_else(|| wrong("ids", "are no ids"))?;
        for id in fields.all("id") {
            ids.push(id.parse().map_err(|_| wrong("id", "is no id"))?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Self::Ids(ids))
    }

    /// The ids of what is meant at this moment.
    ///
    /// # Errors
    /// When a field of the search means nothing, or the database does not answer.
    pub async fn meant(
        self,
        fields: &Fields,
        database: &Database,
        purpose: Purpose,
    ) -> Result<Meant, Problem> {
        let mut ids = match self {
            Self::Ids(ids) => ids,
            Self::Matching(search) => matching(&search, database, purpose).await?,
        };
        let is_cut = ids.len() > MAX_DEAD_LETTERS as usize;
        ids.truncate(MAX_DEAD_LETTERS as usize);
        let back = match (fields.text("those"), ids.as_slice()) {
            ("", [id]) => format!("/dead-letters/{id}"),
            _ => search(fields)?.address(),
        };
        Ok(Meant { ids, is_cut, back })
    }
}

/// The search of the page that a form stands on.
///
/// # Errors
/// When it is none.
pub fn search(fields: &Fields) -> Result<Search, Problem> {
    let uri: Option<Uri> = match fields.text("those") {
        "" => return Ok(Search::default()),
        those => those.parse().ok(),
    };
    let search = uri.and_then(|uri| Query::<Search>::try_from_uri(&uri).ok());
    search.map(|Query(search)| search).ok_or_else(|| wrong("those", "is no address of a list"))
}

async fn matching(
    search: &Search,
    database: &Database,
    purpose: Purpose,
) -> Result<Vec<i64>, Problem> {
    let now = SystemClock.now();
    let filter = search.filter(now)?;
    let limit = MAX_DEAD_LETTERS + 1;
    let states = match purpose {
        Purpose::Replay => {
            return Ok(replayable_ids(&*database.dead_letters(), &filter, limit, now).await?);
        }
        Purpose::Discard => &[DeadLetterState::Open][..],
        Purpose::Restore => &[DeadLetterState::Replayed, DeadLetterState::Discarded][..],
    };
    let mut ids = Vec::new();
    for &state in states.iter().filter(|state| filter.state.is_none_or(|it| it == **state)) {
        let filter = DeadLetterFilter { state: Some(state), ..filter.clone() };
        ids.extend(database.dead_letters().dead_letter_ids(&filter, limit).await?);
    }
    ids.sort_unstable();
    Ok(ids)
}

impl Meant {
    /// The hidden field that has the next form mean just these.
    pub fn fields(&self) -> Markup {
        html! {
            input type="hidden" name="ids" value=(packed(&self.ids));
            input type="hidden" name="those" value=(self.back);
        }
    }

    /// `dead letter 17` or `312 dead letters`.
    pub fn words(&self) -> String {
        words(&self.ids)
    }

    /// Which they are, and what is left out.
    pub fn listed(&self) -> Markup {
        const MOST: usize = 12;
        html! {
            p {
                @for (place, id) in self.ids.iter().take(MOST).enumerate() {
                    @if place > 0 { ", " }
                    a href={ "/dead-letters/" (id) } { (id) }
                }
                @if self.ids.len() > MOST { " and " (self.ids.len() - MOST) " more" }
            }
            @if self.is_cut {
                p .hint { "More match. These are the first " (MAX_DEAD_LETTERS) "; do the same again for the rest." }
            }
        }
    }
}

/// `dead letter 17` or `312 dead letters`.
pub fn words(ids: &[i64]) -> String {
    match ids {
        [id] => format!("dead letter {id}"),
        ids => format!("{} dead letters", ids.len()),
    }
}

/// Ids as ranges, such as `3,7-9`: neighbours take no room.
pub fn packed(ids: &[i64]) -> String {
    let mut text = String::new();
    for range in ids.chunk_by(|one, next| one + 1 == *next) {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a text cannot fail.
        let _ = match range {
            [first, .., last] => write!(text, "{comma}{first}-{last}"),
            [one] => write!(text, "{comma}{one}"),
            [] => Ok(()),
        };
    }
    text
}

/// None for what is not packed, or is more than can be taken at once.
fn unpacked(text: &str) -> Option<Vec<i64>> {
    let mut ids = Vec::new();
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (i64, i64) = (first.parse().ok()?, last.parse().ok()?);
        let room = i64::from(MAX_DEAD_LETTERS) - i64::try_from(ids.len()).ok()?;
        if last.checked_sub(first)? >= room {
            return None;
        }
        ids.extend(first..=last);
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_out_of_a_form_as_they_went_in() {
        for (ids, text) in
            [(&[][..], ""), (&[3], "3"), (&[3, 7, 8, 9, 11], "3,7-9,11"), (&[1, 2], "1-2")]
        {
            assert_eq!(packed(ids), text);
            assert_eq!(unpacked(text).unwrap(), ids);
        }
    }

    #[test]
    fn what_a_form_cannot_hold_is_refused() {
        for text in ["x", "1-", "-1-2-3", "1-9223372036854775807", "1-10001", "1-9000,1-9000"] {
            assert_eq!(unpacked(text), None, "{text}");
        }
        assert_eq!(unpacked("1-10000").unwrap().len(), 10_000);
    }
}
