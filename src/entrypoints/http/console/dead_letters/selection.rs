//! The dead letters that a form applies to.

use std::fmt::Write;

use axum::extract::Query;
use axum::http::Uri;
use maud::{Markup, html};

use super::fields::{Fields, invalid_field};
use super::search::Search;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::jobs::MAX_DEAD_LETTERS;
use crate::service_layer::dead_letters::replayable_ids;
use crate::service_layer::dead_letters::{DeadLetterFilter, DeadLetterState};

/// The selection as submitted.
#[derive(Debug)]
pub enum Selection {
    Ids(Vec<i64>),
    /// All that match the search.
    Matching(Box<Search>),
}

/// The selection, resolved to ids.
#[derive(Debug)]
pub struct SelectedDeadLetters {
    /// In ascending order, without duplicates.
    pub ids: Vec<i64>,
    /// Whether more match than one action can take; these are the first.
    pub is_truncated: bool,
    /// The path of the page that they were selected on.
    pub back: String,
}

/// The action, which determines the states that can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Replay,
    Discard,
    Restore,
}

impl Selection {
    /// # Errors
    /// When a field is invalid.
    pub fn of(fields: &Fields) -> Result<Self, Problem> {
        if fields.text("which") == "all" {
            return Ok(Self::Matching(Box::new(search(fields)?)));
        }
        let mut ids =
            decode_ids(fields.text("ids")).ok_or_else(|| invalid_field("ids", "must be ids"))?;
        for id in fields.all("id") {
            ids.push(id.parse().map_err(|_| invalid_field("id", "must be an id"))?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Self::Ids(ids))
    }

    /// Runs the search, if the selection is one.
    ///
    /// # Errors
    /// When a field of the search is invalid, or the database is unavailable.
    pub async fn resolve(
        self,
        fields: &Fields,
        app: &App,
        purpose: Purpose,
    ) -> Result<SelectedDeadLetters, Problem> {
        let mut ids = match self {
            Self::Ids(ids) => ids,
            Self::Matching(search) => matching(&search, app, purpose).await?,
        };
        let is_truncated = ids.len() > MAX_DEAD_LETTERS as usize;
        ids.truncate(MAX_DEAD_LETTERS as usize);
        let back = match (fields.text("those"), ids.as_slice()) {
            ("", [id]) => format!("/dead-letters/{id}"),
            _ => search(fields)?.url(),
        };
        Ok(SelectedDeadLetters { ids, is_truncated, back })
    }
}

/// The search of the page that contains the form.
///
/// # Errors
/// When it is not the URL of a list.
pub fn search(fields: &Fields) -> Result<Search, Problem> {
    let uri: Option<Uri> = match fields.text("those") {
        "" => return Ok(Search::default()),
        url => url.parse().ok(),
    };
    let search = uri.and_then(|uri| Query::<Search>::try_from_uri(&uri).ok());
    search
        .map(|Query(search)| search)
        .ok_or_else(|| invalid_field("those", "must be the URL of a list"))
}

async fn matching(search: &Search, app: &App, purpose: Purpose) -> Result<Vec<i64>, Problem> {
    let (database, now) = (app.database()?, app.clock.now());
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

impl SelectedDeadLetters {
    /// Hidden fields, so that the next form applies to exactly these.
    pub fn fields(&self) -> Markup {
        html! {
            input type="hidden" name="ids" value=(encode_ids(&self.ids));
            input type="hidden" name="those" value=(self.back);
        }
    }

    /// `dead letter 17` or `312 dead letters`.
    pub fn label(&self) -> String {
        dead_letter_count(&self.ids)
    }

    /// Links to the first of them.
    pub fn links(&self) -> Markup {
        const MAX_LINKS: usize = 12;
        html! {
            p {
                @for (index, id) in self.ids.iter().take(MAX_LINKS).enumerate() {
                    @if index > 0 { ", " }
                    a href={ "/dead-letters/" (id) } { (id) }
                }
                @if self.ids.len() > MAX_LINKS { " and " (self.ids.len() - MAX_LINKS) " more" }
            }
            @if self.is_truncated {
                p .hint { "Limited to the first " (MAX_DEAD_LETTERS) " that match. Repeat the action for the rest." }
            }
        }
    }
}

/// `dead letter 17` or `312 dead letters`.
pub fn dead_letter_count(ids: &[i64]) -> String {
    match ids {
        [id] => format!("dead letter {id}"),
        ids => format!("{} dead letters", ids.len()),
    }
}

/// Ids as ranges, such as `3,7-9`, to keep forms small.
pub fn encode_ids(ids: &[i64]) -> String {
    let mut text = String::new();
    for range in ids.chunk_by(|one, next| one + 1 == *next) {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = match range {
            [first, .., last] => write!(text, "{comma}{first}-{last}"),
            [one] => write!(text, "{comma}{one}"),
            [] => Ok(()),
        };
    }
    text
}

/// `None` if the text is invalid, or holds more than [`MAX_DEAD_LETTERS`] ids.
fn decode_ids(text: &str) -> Option<Vec<i64>> {
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
    fn encoded_ids_can_be_decoded() {
        for (ids, text) in
            [(&[][..], ""), (&[3], "3"), (&[3, 7, 8, 9, 11], "3,7-9,11"), (&[1, 2], "1-2")]
        {
            assert_eq!(encode_ids(ids), text);
            assert_eq!(decode_ids(text).unwrap(), ids);
        }
    }

    #[test]
    fn invalid_or_too_many_ids_are_rejected() {
        for text in ["x", "1-", "-1-2-3", "1-9223372036854775807", "1-10001", "1-9000,1-9000"] {
            assert_eq!(decode_ids(text), None, "{text}");
        }
        assert_eq!(decode_ids("1-10000").unwrap().len(), 10_000);
    }
}
