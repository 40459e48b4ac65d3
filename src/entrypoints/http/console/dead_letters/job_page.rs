//! How far jobs are.

use maud::{Markup, html};

use super::masking::Addresses;
use super::selection::{packed, words};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{form, notice, timestamp};
use crate::entrypoints::http::console::layout::{Page, Section, page};
use crate::entrypoints::printable::printable;
use crate::service_layer::dead_letters::Decision;
use crate::service_layer::dead_letters::jobs::{JobEnd, JobKind, JobLine, JobReport, MAX_LINES};

const BLOCKED: &str = "The broker takes no messages at the moment, as it is short of memory or \
    disk. The job waits for it.";

/// Seconds between two looks at a job that runs.
const REFRESH_SECONDS: u32 = 1;

/// Seconds between two looks of a browser without script: it loads the whole page.
const RELOAD_SECONDS: u32 = 3;

pub fn list(visitor: &CurrentUser, jobs: &[JobReport]) -> Page {
    let body = html! {
        h1 { "Jobs" }
        p .hint { "What this worker has done or does with several dead letters at once. It remembers the last 50, until it stops." }
        @if jobs.is_empty() { p .empty { "There were none yet." } }
        @else { div .panel { table .cards {
            thead {
                tr {
                    th scope="col" { "What" }
                    th scope="col" { "Who" }
                    th scope="col" { "Began" }
                    th .number scope="col" { "Done" }
                    th scope="col" { "State" }
                }
            }
            tbody { @for job in jobs { (row(job)) } }
        } } }
        p { a href="/dead-letters" { "All dead letters" } }
    };
    page(visitor, Section::DeadLetters, "Jobs", body)
}

fn row(job: &JobReport) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/dead-letters/jobs/" (job.id) } { (name(job)) } }
            td data-label="Who" { bdi { (job.actor.who) } }
            td data-label="Began" { (timestamp(job.began_at)) }
            td .number data-label="Done" { (job.done) " of " (job.ids.len()) }
            td data-label="State" { (state(job)) }
        }
    }
}

/// The page of a job; `is_blocked` when the broker takes no messages.
pub fn page_of(visitor: &CurrentUser, job: &JobReport, is_blocked: bool) -> Page {
    let refresh = job.is_running().then_some(REFRESH_SECONDS);
    let name = name(job);
    let body = html! {
        @if job.is_running() { noscript { meta http-equiv="refresh" content=(RELOAD_SECONDS); } }
        div #job data-refresh=[refresh] {
            div .heading { h1 { (name) } (state(job)) }
            (progress(job))
            @if is_blocked { (notice::trouble(&html! { (BLOCKED) })) }
            @if job.is_running() && visitor.may_operate() { (stop_button(visitor, job)) }
            @if !job.is_running() && visitor.may_operate() { (next_step(visitor, job)) }
            (ended(job))
            (counts(job))
            (lines("Those to look at", &job.problems, job.problem_count))
            (lines("The others", &job.others, job.done - job.problem_count))
        }
        p { a href="/dead-letters" { "All dead letters" } " · " a href="/dead-letters/jobs" { "All jobs" } }
    };
    page(visitor, Section::DeadLetters, &name, body)
}

fn name(job: &JobReport) -> String {
    let what = match job.kind {
        JobKind::Replay => "Replay",
        JobKind::DryRun => "Dry run",
        JobKind::Decision(Decision::Discard) => "Discarding",
        JobKind::Decision(Decision::Restore) => "Restoring",
    };
    format!("{what} of {}", words(&job.ids))
}

fn state(job: &JobReport) -> Markup {
    let (class, word) = match &job.end {
        None if job.stopped_by.is_some() => ("letter-replaying", "stopping"),
        None => ("letter-replaying", "running"),
        Some((_, JobEnd::Finished)) if job.problems.is_empty() => ("good", "done"),
        Some((_, JobEnd::Finished)) => ("letter-open", "done"),
        Some((_, JobEnd::Stopped { .. } | JobEnd::TooManyFailures { .. })) => ("bad", "stopped"),
        Some((_, JobEnd::Database | JobEnd::Aborted)) => ("bad", "broken off"),
    };
    html! { span class={ "badge " (class) } { (word) } }
}

fn progress(job: &JobReport) -> Markup {
    let total = job.ids.len();
    html! {
        p .progress {
            progress max=(total) value=(job.done) aria-label="Progress" {}
            " " (job.done) " of " (total)
        }
        p .hint {
            "Begun by " bdi { (job.actor.who) } " " (timestamp(job.began_at))
            @if let Some((at, _)) = &job.end { ", ended " (timestamp(*at)) }
            @if let Some(why) = &job.actor.why { ": “" bdi { (why) } "”" }
        }
    }
}

fn stop_button(visitor: &CurrentUser, job: &JobReport) -> Markup {
    match &job.stopped_by {
        Some(who) => html! { p { bdi { (who) } " has it stop." } },
        None => form::post(
            visitor,
            &format!("/dead-letters/jobs/{}/stop", job.id),
            &html! { button .danger type="submit" { "Stop" } },
        ),
    }
}

/// Why it did not do all that it was to do.
fn ended(job: &JobReport) -> Markup {
    let by = job.stopped_by.as_deref();
    let what = match job.end.as_ref().map(|(_, end)| end) {
        None | Some(JobEnd::Finished) => return html! {},
        Some(JobEnd::TooManyFailures { not_tried }) => html! {
            "It stopped by itself, as too many failed. " (not_tried) " were not tried and are as they were."
        },
        Some(JobEnd::Stopped { not_tried }) => html! {
            bdi { (by.unwrap_or("The end of the worker")) } " stopped it. " (not_tried) " were not tried and are as they were."
        },
        Some(JobEnd::Database) => html! {
            "The database did not answer. What is not listed here is as it was, or is free again after two minutes."
        },
        Some(JobEnd::Aborted) => html! {
            "It was broken off. What is not listed here is as it was, or is free again after two minutes."
        },
    };
    notice::trouble(&what)
}

fn counts(job: &JobReport) -> Markup {
    html! {
        div .figures aria-label="By outcome" {
            @for (word, count) in &job.counts {
                div .figure { p .label { (word) } p .value { (count) } }
            }
        }
    }
}

fn lines(title: &str, lines: &[JobLine], all: usize) -> Markup {
    html! {
        @if !lines.is_empty() {
            section .panel aria-label=(title) {
                h2 { (title) }
                table .cards {
                    thead {
                        tr {
                            th scope="col" { "Id" }
                            th scope="col" { "Outcome" }
                            th scope="col" { "Detail" }
                        }
                    }
                    tbody { @for line in lines { (line_of(line)) } }
                }
                @if all > MAX_LINES { p .hint { "The first " (MAX_LINES) " of " (all) "." } }
            }
        }
    }
}

fn line_of(line: &JobLine) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/dead-letters/" (line.id) } { (line.id) } }
            td data-label="Outcome" { (line.outcome) }
            td data-label="Detail" { bdi { (Addresses::Masked.within(&printable(&line.detail))) } }
        }
    }
}

/// After a dry run, the replay of the same dead letters.
fn next_step(visitor: &CurrentUser, job: &JobReport) -> Markup {
    match job.kind {
        JobKind::DryRun => form::post(
            visitor,
            "/dead-letters/replay",
            &html! {
                input type="hidden" name="ids" value=(packed(&job.ids));
                p { "Nothing was published, nothing has changed. " button .primary type="submit" { "Replay them…" } }
            },
        ),
        JobKind::Replay | JobKind::Decision(_) => html! {},
    }
}
