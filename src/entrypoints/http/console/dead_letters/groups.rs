//! Dead letters that look alike.

use maud::{Markup, html};

use super::components::{buttons, text, why};
use super::search::Search;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{form, timestamp};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::{DeadLetterFilter, DeadLetterGroup, DeadLetterState};

/// Most groups on the page.
const MAX_GROUPS: u32 = 100;

/// The groups of what matches, the largest first.
pub async fn groups(
    visitor: &CurrentUser,
    app: &App,
    search: &Search,
    filter: &DeadLetterFilter,
) -> Result<Markup, Problem> {
    let groups = app.database()?.dead_letters().dead_letter_groups(filter, MAX_GROUPS).await?;
    Ok(html! {
        @if groups.is_empty() { p .empty { "No dead letter is like that." } }
        @else {
            div .panel {
                table .cards {
                    thead {
                        tr {
                            th .number scope="col" { "Count" }
                            th scope="col" { "Reason" }
                            th scope="col" { "Command" }
                            th scope="col" { "First and last failure" }
                            th scope="col" { "Example" }
                            @if visitor.may_operate() { th scope="col" { span .unseen { "What to do" } } }
                        }
                    }
                    tbody { @for group in &groups { (row(visitor, search, filter.state, group)) } }
                }
            }
        }
        @if groups.len() == MAX_GROUPS as usize { p .hint { "The largest " (MAX_GROUPS) " groups." } }
    })
}

fn row(
    visitor: &CurrentUser,
    search: &Search,
    state: Option<DeadLetterState>,
    group: &DeadLetterGroup,
) -> Markup {
    let those = search.within(group).address();
    html! {
        tr {
            th .number scope="row" { a href=(those) { (group.count) span .unseen { " like this" } } }
            td data-label="Reason" { (why(&group.code, &group.pattern)) }
            td .whole data-label="Command" { (text(group.command.as_deref())) }
            td data-label="Failed" {
                div {
                    div { (timestamp(group.first_failed_at)) }
                    @if group.count > 1 { div { (timestamp(group.last_failed_at)) } }
                }
            }
            td data-label="Example" { a href={ "/dead-letters/" (group.example) } { (group.example) } }
            @if visitor.may_operate() {
                td .whole {
                    (form::post(visitor, "/dead-letters/replay", &html! {
                        input type="hidden" name="those" value=(those);
                        div .actions { (buttons(state, Some("all"))) }
                    }))
                }
            }
        }
    }
}
