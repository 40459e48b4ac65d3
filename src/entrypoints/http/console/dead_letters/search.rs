//! The search for dead letters.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::CommandKind;
use crate::entrypoints::http::console::components::address;
use crate::service_layer::InvalidQuery;
use crate::service_layer::dead_letters::Age;
use crate::service_layer::dead_letters::{
    DeadLetterCursor, DeadLetterFilter, DeadLetterGroup, DeadLetterState,
};

/// The value of the field `state` for all states.
pub const ANY: &str = "any";

/// The value of the field `command` for messages without a known command.
const UNREADABLE: &str = "unreadable";

/// The value of the field `view` for the list; the default is groups.
const LIST: &str = "list";

/// The fields of the search form. Empty ones do not filter, except `state`, whose default is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Search {
    pub state: String,
    pub code: String,
    command: String,
    order: String,
    customer: String,
    text: String,
    publisher: String,
    pattern: String,
    older: String,
    younger: String,
    view: String,
    after: String,
}

impl Search {
    /// # Errors
    /// When a field is invalid; the error names it.
    pub fn filter(&self, now: DateTime<Utc>) -> Result<DeadLetterFilter, InvalidQuery> {
        Ok(DeadLetterFilter {
            state: self.state()?,
            code: given(&self.code),
            command: match self.command.as_str() {
                UNREADABLE => Some(String::new()),
                command => given(command),
            },
            order_id: given(&self.order),
            customer_id: given(&self.customer),
            text: given(&self.text),
            publisher: given(&self.publisher),
            // Not trimmed: a pattern may start with a space.
            pattern: Some(self.pattern.clone()).filter(|pattern| !pattern.is_empty()),
            failed_until: timestamp("older", &self.older, now)?,
            failed_from: timestamp("younger", &self.younger, now)?,
        })
    }

    /// # Errors
    /// When the state is unknown.
    pub fn state(&self) -> Result<Option<DeadLetterState>, InvalidQuery> {
        match self.state.as_str() {
            "" => Ok(Some(DeadLetterState::Open)),
            ANY => Ok(None),
            state => state.parse().map(Some).map_err(|problem: &str| invalid("state", problem)),
        }
    }

    /// # Errors
    /// When the cursor is invalid.
    pub fn after(&self) -> Result<Option<DeadLetterCursor>, InvalidQuery> {
        if self.after.is_empty() {
            return Ok(None);
        }
        let parts = self.after.split_once('_');
        let cursor = parts.and_then(|(micros, id)| {
            let failed_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
            Some(DeadLetterCursor { failed_at, id: id.parse().ok()? })
        });
        cursor.map(Some).ok_or_else(|| invalid("after", "invalid cursor"))
    }

    pub fn is_list(&self) -> bool {
        self.view == LIST
    }

    /// Whether it filters by nothing but the state.
    pub fn is_unfiltered(&self) -> bool {
        let unfiltered =
            Self { state: self.state.clone(), view: self.view.clone(), ..Self::default() };
        *self == Self { after: self.after.clone(), ..unfiltered }
    }

    pub fn url(&self) -> String {
        let fields = [
            ("state", if self.state == "open" { "" } else { self.state.as_str() }),
            ("code", &self.code),
            ("command", &self.command),
            ("order", &self.order),
            ("customer", &self.customer),
            ("text", &self.text),
            ("publisher", &self.publisher),
            ("pattern", &self.pattern),
            ("older", &self.older),
            ("younger", &self.younger),
            ("view", &self.view),
            ("after", &self.after),
        ];
        address::with("/dead-letters", &fields)
    }

    /// The first page.
    pub fn first(&self) -> Self {
        Self { after: String::new(), ..self.clone() }
    }

    pub fn from(&self, cursor: DeadLetterCursor) -> Self {
        let after = format!("{}_{}", cursor.failed_at.timestamp_micros(), cursor.id);
        Self { after, ..self.clone() }
    }

    pub fn viewed_as_list(&self, is_list: bool) -> Self {
        let view = if is_list { LIST.to_owned() } else { String::new() };
        Self { view, ..self.first() }
    }

    /// In another state, with any code, as the codes differ between states.
    pub fn in_state(&self, state: &str) -> Self {
        Self { state: state.to_owned(), code: String::new(), ..self.first() }
    }

    pub fn with_code(&self, code: &str) -> Self {
        Self { code: code.to_owned(), ..self.first() }
    }

    /// The list of a group.
    pub fn within(&self, group: &DeadLetterGroup) -> Self {
        Self {
            code: group.code.clone(),
            command: group.command.clone().unwrap_or_else(|| UNREADABLE.to_owned()),
            pattern: group.pattern.clone(),
            ..self.viewed_as_list(true)
        }
    }

    pub fn form(&self) -> Markup {
        html! {
            search {
                form .panel.filters method="get" action="/dead-letters" {
                    div { label for="state" { "State" } select #state name="state" { (self.states()) } }
                    (field("code", "Code", &self.code, "order_not_found"))
                    div { label for="command" { "Command" } select #command name="command" { (self.commands()) } }
                    (field("order", "Order id", &self.order, ""))
                    (field("customer", "Customer id", &self.customer, ""))
                    (field("publisher", "Publisher", &self.publisher, "app_id"))
                    (field("text", "Detail contains", &self.text, ""))
                    (field("older", "Failed before", &self.older, "30m, 12h or 7d ago"))
                    (field("younger", "Failed within", &self.younger, "30m, 12h or 7d"))
                    @if !self.pattern.is_empty() { (field("pattern", "Pattern", &self.pattern, "")) }
                    @if self.is_list() { input type="hidden" name="view" value=(LIST); }
                    div .actions {
                        button .primary type="submit" { "Search" }
                        a .button href="/dead-letters" { "Clear" }
                    }
                }
            }
        }
    }

    fn states(&self) -> Markup {
        let state =
            if self.state.is_empty() { DeadLetterState::Open.as_str() } else { &self.state };
        html! {
            @for known in DeadLetterState::ALL { (option(known.as_str(), known.as_str(), state)) }
            (option(ANY, "any", state))
        }
    }

    fn commands(&self) -> Markup {
        html! {
            (option("", "any", &self.command))
            @for kind in CommandKind::ALL { (option(kind.name(), kind.name(), &self.command)) }
            (option(UNREADABLE, "not decodable", &self.command))
        }
    }
}

fn option(value: &str, name: &str, selected: &str) -> Markup {
    html! { option value=(value) selected[value == selected] { (name) } }
}

fn field(name: &str, label: &str, value: &str, example: &str) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            input id=(name) type="search" name=(name) value=(value) placeholder=(example)
                autocomplete="off" spellcheck="false";
        }
    }
}

fn given(field: &str) -> Option<String> {
    Some(field.trim()).filter(|field| !field.is_empty()).map(str::to_owned)
}

fn timestamp(
    argument: &'static str,
    age: &str,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, InvalidQuery> {
    match age.trim() {
        "" => Ok(None),
        age => match age.parse::<Age>() {
            Ok(age) => Ok(age.before(now)),
            Err(problem) => Err(invalid(argument, problem)),
        },
    }
}

fn invalid(argument: &'static str, problem: &str) -> InvalidQuery {
    InvalidQuery { argument, problem: problem.to_owned() }
}
