//! The list of dead letters, grouped or one by one, with search.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::components::{action_buttons, reason, untrusted_text};
use super::counts::Counts;
use super::groups;
use super::search::Search;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{
    address, dead_letter_state, form, notice, pagination, timestamp,
};
use crate::entrypoints::http::console::layout::{Section, page};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::dead_letters::{DeadLetterFilter, DeadLetterSummary};

const PAGE_SIZE: u32 = 50;

pub async fn show(
    user: CurrentUser,
    State(app): State<App>,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    let filter = match search.filter(app.clock.now()).and_then(|it| search.after().map(|_| it)) {
        Ok(filter) => filter,
        Err(invalid) => {
            let error = notice::error(&html! { (invalid) });
            return Ok(with_form(&user, &app, &search, &error));
        }
    };
    let counts = Counts::of(app.database()?, &filter).await?;
    let results = if search.is_list() {
        dead_letters(&user, &app, &search, &filter).await?
    } else {
        groups::groups(&user, &app, &search, &filter).await?
    };
    let content = html! {
        (counts.markup(&search, filter.state))
        @if counts.is_empty() { (no_results(&search)) } @else { (views(&search)) (results) }
    };
    Ok(with_form(&user, &app, &search, &content))
}

/// When the URL of a form is opened again.
pub async fn back_to_list() -> Redirect {
    Redirect::to("/dead-letters")
}

fn with_form(user: &CurrentUser, app: &App, search: &Search, content: &Markup) -> Response {
    let jobs = app.jobs.reports();
    let running = jobs.iter().filter(|job| job.is_running()).count();
    let body = html! {
        div .heading {
            h1 { "Dead letters" }
            @if !jobs.is_empty() {
                div .actions { a .button href="/dead-letters/jobs" { "Jobs: " (running) " running" } }
            }
        }
        (content)
        h2 { "Search" }
        (search.form())
    };
    page(user, Section::DeadLetters, "Dead letters", body).into_response()
}

fn no_results(search: &Search) -> Markup {
    html! {
        p .empty {
            @if search.is_unfiltered() { "No dead letters" }
            @else { "No dead letters match" }
        }
    }
}

fn views(search: &Search) -> Markup {
    let view = |is_list: bool, name: &str| {
        let selected = search.is_list() == is_list;
        let url = search.viewed_as_list(is_list).url();
        html! { li { a href=(url) aria-current=[selected.then_some("true")] { (name) } } }
    };
    html! {
        nav .facets aria-label="View" { ul { (view(false, "Groups")) (view(true, "List")) } }
    }
}

async fn dead_letters(
    user: &CurrentUser,
    app: &App,
    search: &Search,
    filter: &DeadLetterFilter,
) -> Result<Markup, Problem> {
    // One more than a page, to see whether there is a next page.
    let limit = PAGE_SIZE + 1;
    let mut dead_letters =
        app.database()?.dead_letters().dead_letters(filter, search.after()?, limit).await?;
    let has_more = dead_letters.len() > PAGE_SIZE as usize;
    dead_letters.truncate(PAGE_SIZE as usize);
    let next =
        dead_letters.last().filter(|_| has_more).map(|last| search.from(last.cursor()).url());
    let first = Some(search.first()).filter(|first| first != search);
    let first = first.map(|first| first.url());
    Ok(html! {
        @if dead_letters.is_empty() { p .empty { "No dead letters match" } }
        @else if user.may_operate() { (with_actions(user, search, filter, &table(&dead_letters, true))) }
        @else { div .panel { (table(&dead_letters, false)) } }
        (pagination(first.as_deref(), next.as_deref()))
    })
}

/// One form for actions on the selected dead letters and on all that match.
fn with_actions(
    user: &CurrentUser,
    search: &Search,
    filter: &DeadLetterFilter,
    table: &Markup,
) -> Markup {
    html! {
        form .panel method="post" action="/dead-letters/replay" {
            (form::csrf_field(user))
            input type="hidden" name="those" value=(search.url());
            (table)
            div .bulk-actions {
                div .actions { span .label { "Selected:" } (action_buttons(filter.state, None)) }
                div .actions { span .label { "All matching:" } (action_buttons(filter.state, Some("all"))) }
            }
        }
    }
}

fn table(dead_letters: &[DeadLetterSummary], selectable: bool) -> Markup {
    html! {
        table .cards {
            thead {
                tr {
                    @if selectable { th scope="col" { span .visually-hidden { "Select" } } }
                    th scope="col" { "Id" }
                    th scope="col" { "Reason" }
                    th scope="col" { "Command" }
                    th scope="col" { "Order" }
                    th scope="col" { "Publisher" }
                    th scope="col" { "Failed" }
                }
            }
            tbody { @for dead_letter in dead_letters { (row(dead_letter, selectable)) } }
        }
    }
}

fn row(dead_letter: &DeadLetterSummary, selectable: bool) -> Markup {
    let DeadLetterSummary { id, reason, subject, .. } = dead_letter;
    html! {
        tr {
            @if selectable {
                td .checkbox { label { input type="checkbox" name="id" value=(id); span .visually-hidden { "Dead letter " (id) } } }
            }
            th scope="row" { a href={ "/dead-letters/" (id) } { (id) } " " (dead_letter_state(dead_letter.state)) }
            td data-label="Reason" { (self::reason(&reason.code, &reason.detail)) }
            td .keep-words data-label="Command" { (untrusted_text(subject.command.as_deref())) }
            td data-label="Order" { @if let Some(order_id) = &subject.order_id { (address::order_link(order_id)) } }
            td data-label="Publisher" { (untrusted_text(dead_letter.app_id.as_deref())) }
            td data-label="Failed" { (timestamp(dead_letter.failed_at)) }
        }
    }
}
