//! Dead letters that somebody looks for, in groups or one by one.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::components::{buttons, text, why};
use super::counts::Sums;
use super::groups;
use super::search::Search;
use crate::adapters::clock::SystemClock;
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{
    address, dead_letter_state, form, notice, pages, timestamp,
};
use crate::entrypoints::http::console::layout::{Section, page};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::{DeadLetterFilter, DeadLetterSummary};

/// Dead letters on a page.
const ON_A_PAGE: u32 = 50;

pub async fn show(
    visitor: CurrentUser,
    State(app): State<App>,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    let filter = match search.filter(SystemClock.now()).and_then(|it| search.after().map(|_| it)) {
        Ok(filter) => filter,
        Err(invalid) => {
            let trouble = notice::trouble(&html! { (invalid) });
            return Ok(with_form(&visitor, &app, &search, &trouble));
        }
    };
    let sums = Sums::of(app.database()?, &filter).await?;
    let found = if search.is_list() {
        dead_letters(&visitor, &app, &search, &filter).await?
    } else {
        groups::groups(&visitor, &app, &search, &filter).await?
    };
    let found = html! {
        (sums.markup(&search, filter.state))
        @if sums.are_none() { (nothing(&search)) } @else { (views(&search)) (found) }
    };
    Ok(with_form(&visitor, &app, &search, &found))
}

/// For whoever comes back to the address of a form.
pub async fn go_back() -> Redirect {
    Redirect::to("/dead-letters")
}

fn with_form(visitor: &CurrentUser, app: &App, search: &Search, found: &Markup) -> Response {
    let jobs = app.jobs.reports();
    let running = jobs.iter().filter(|job| job.is_running()).count();
    let body = html! {
        div .heading {
            h1 { "Dead letters" }
            @if !jobs.is_empty() {
                div .actions { a .button href="/dead-letters/jobs" { "Jobs: " (running) " running" } }
            }
        }
        (found)
        h2 { "Search" }
        (search.form())
    };
    page(visitor, Section::DeadLetters, "Dead letters", body).into_response()
}

fn nothing(search: &Search) -> Markup {
    html! {
        p .empty {
            @if search.is_plain() { "There are no dead letters: every message could be processed." }
            @else { "No dead letter is like that." }
        }
    }
}

fn views(search: &Search) -> Markup {
    let view = |is_list: bool, name: &str| {
        let chosen = search.is_list() == is_list;
        let address = search.viewed_as_list(is_list).address();
        html! { li { a href=(address) aria-current=[chosen.then_some("true")] { (name) } } }
    };
    html! {
        nav .sums aria-label="View" { ul { (view(false, "Groups")) (view(true, "One by one")) } }
    }
}

async fn dead_letters(
    visitor: &CurrentUser,
    app: &App,
    search: &Search,
    filter: &DeadLetterFilter,
) -> Result<Markup, Problem> {
    // One more than is shown tells whether there are more.
    let limit = ON_A_PAGE + 1;
    let mut dead_letters =
        app.database()?.dead_letters().dead_letters(filter, search.after()?, limit).await?;
    let has_more = dead_letters.len() > ON_A_PAGE as usize;
    dead_letters.truncate(ON_A_PAGE as usize);
    let next =
        dead_letters.last().filter(|_| has_more).map(|last| search.from(last.cursor()).address());
    let first = Some(search.first()).filter(|first| first != search);
    let first = first.map(|first| first.address());
    Ok(html! {
        @if dead_letters.is_empty() { p .empty { "No dead letter is like that." } }
        @else if visitor.may_operate() { (with_actions(visitor, search, filter, &table(&dead_letters, true))) }
        @else { div .panel { (table(&dead_letters, false)) } }
        (pages(first.as_deref(), next.as_deref()))
    })
}

/// One form for all that can be done with those that are ticked, or with all that match.
fn with_actions(
    visitor: &CurrentUser,
    search: &Search,
    filter: &DeadLetterFilter,
    table: &Markup,
) -> Markup {
    html! {
        form .panel method="post" action="/dead-letters/replay" {
            (form::proof(visitor))
            input type="hidden" name="those" value=(search.address());
            (table)
            div .bar {
                div .actions { span .label { "Those ticked" } (buttons(filter.state, None)) }
                div .actions { span .label { "All that match" } (buttons(filter.state, Some("all"))) }
            }
        }
    }
}

fn table(dead_letters: &[DeadLetterSummary], has_ticks: bool) -> Markup {
    html! {
        table .cards {
            thead {
                tr {
                    @if has_ticks { th scope="col" { span .unseen { "Tick" } } }
                    th scope="col" { "Id" }
                    th scope="col" { "Reason" }
                    th scope="col" { "Command" }
                    th scope="col" { "Order" }
                    th scope="col" { "Publisher" }
                    th scope="col" { "Failed" }
                }
            }
            tbody { @for dead_letter in dead_letters { (row(dead_letter, has_ticks)) } }
        }
    }
}

fn row(dead_letter: &DeadLetterSummary, has_ticks: bool) -> Markup {
    let DeadLetterSummary { id, reason, subject, .. } = dead_letter;
    html! {
        tr {
            @if has_ticks {
                td .tick { label { input type="checkbox" name="id" value=(id); span .unseen { "Dead letter " (id) } } }
            }
            th scope="row" { a href={ "/dead-letters/" (id) } { (id) } " " (dead_letter_state(dead_letter.state)) }
            td data-label="Reason" { (why(&reason.code, &reason.detail)) }
            td .whole data-label="Command" { (text(subject.command.as_deref())) }
            td data-label="Order" { @if let Some(order_id) = &subject.order_id { (address::order_link(order_id)) } }
            td data-label="Publisher" { (text(dead_letter.app_id.as_deref())) }
            td data-label="Failed" { (timestamp(dead_letter.failed_at)) }
        }
    }
}
