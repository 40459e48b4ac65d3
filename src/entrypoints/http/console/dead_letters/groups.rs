//! Groups of similar dead letters.

use maud::{Markup, html};

use super::components::{action_buttons, reason, untrusted_text};
use super::search::Search;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{form, timestamp};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::{DeadLetterFilter, DeadLetterGroup, DeadLetterState};

/// Maximum number of groups on the page.
const MAX_GROUPS: u32 = 100;

/// The groups of the search, largest first.
pub async fn groups(
    user: &CurrentUser,
    app: &App,
    search: &Search,
    filter: &DeadLetterFilter,
) -> Result<Markup, Problem> {
    let groups = app.database()?.dead_letters().dead_letter_groups(filter, MAX_GROUPS).await?;
    Ok(html! {
        @if groups.is_empty() { p .empty { "No dead letters match" } }
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
                            @if user.may_operate() { th scope="col" { span .visually-hidden { "Actions" } } }
                        }
                    }
                    tbody { @for group in &groups { (row(user, search, filter.state, group)) } }
                }
            }
        }
        @if groups.len() == MAX_GROUPS as usize { p .hint { "Only the largest " (MAX_GROUPS) " groups are shown." } }
    })
}

fn row(
    user: &CurrentUser,
    search: &Search,
    state: Option<DeadLetterState>,
    group: &DeadLetterGroup,
) -> Markup {
    let url = search.within(group).url();
    html! {
        tr {
            th .number scope="row" { a href=(url) { (group.count) span .visually-hidden { " dead letters" } } }
            td data-label="Reason" { (reason(&group.code, &group.pattern)) }
            td .keep-words data-label="Command" { (untrusted_text(group.command.as_deref())) }
            td data-label="Failed" {
                div {
                    div { (timestamp(group.first_failed_at)) }
                    @if group.count > 1 { div { (timestamp(group.last_failed_at)) } }
                }
            }
            td data-label="Example" { a href={ "/dead-letters/" (group.example) } { (group.example) } }
            @if user.may_operate() {
                td .keep-words {
                    (form::post(user, "/dead-letters/replay", &html! {
                        input type="hidden" name="those" value=(url);
                        div .actions { (action_buttons(state, Some("all"))) }
                    }))
                }
            }
        }
    }
}
