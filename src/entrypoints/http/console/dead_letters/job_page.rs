//! The list of jobs, and the page of a job.

use maud::{Markup, html};

use super::masking::EmailVisibility;
use super::selection::{dead_letter_count, encode_ids};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::console::components::{form, notice, timestamp};
use crate::entrypoints::http::console::layout::{Page, Section, page};
use crate::entrypoints::printable::printable;
use crate::service_layer::dead_letters::Decision;
use crate::service_layer::dead_letters::jobs::{JobEnd, JobKind, JobLine, JobReport, MAX_LINES};

const BLOCKED: &str = "The broker blocks publishing (memory or disk alarm). The job continues when the \
    alarm is cleared.";

/// After a claim expires, a dead letter can be replayed again.
const NOT_LISTED: &str = "Dead letters that are not listed here are unchanged, or can be replayed again \
    after 2 minutes.";

const REFRESH_SECONDS: u32 = 1;

/// For browsers without script, which reload the whole page.
const RELOAD_SECONDS: u32 = 3;

pub fn list(user: &CurrentUser, jobs: &[JobReport]) -> Page {
    let body = html! {
        h1 { "Jobs" }
        p .hint { "Bulk actions and replays of this worker. The last 50 are kept until the worker stops." }
        @if jobs.is_empty() { p .empty { "No jobs" } }
        @else { div .panel { table .cards {
            thead {
                tr {
                    th scope="col" { "Job" }
                    th scope="col" { "Started by" }
                    th scope="col" { "Started" }
                    th .number scope="col" { "Progress" }
                    th scope="col" { "State" }
                }
            }
            tbody { @for job in jobs { (row(job)) } }
        } } }
        p { a href="/dead-letters" { "All dead letters" } }
    };
    page(user, Section::DeadLetters, "Jobs", body)
}

fn row(job: &JobReport) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/dead-letters/jobs/" (job.id) } { (name(job)) } }
            td data-label="Started by" { bdi { (job.actor.who) } }
            td data-label="Started" { (timestamp(job.began_at)) }
            td .number data-label="Progress" { (job.done) " of " (job.ids.len()) }
            td data-label="State" { (state(job)) }
        }
    }
}

/// The page of a job; `is_blocked` if the broker blocks publishing.
pub fn page_of(user: &CurrentUser, job: &JobReport, is_blocked: bool) -> Page {
    let refresh = job.is_running().then_some(REFRESH_SECONDS);
    let name = name(job);
    let body = html! {
        @if job.is_running() { noscript { meta http-equiv="refresh" content=(RELOAD_SECONDS); } }
        div #job data-refresh=[refresh] {
            div .heading { h1 { (name) } (state(job)) }
            (progress(job))
            @if is_blocked { (notice::error(&html! { (BLOCKED) })) }
            @if job.is_running() && user.may_operate() { (stop_button(user, job)) }
            @if !job.is_running() && user.may_operate() { (next_step(user, job)) }
            (ended(job))
            (counts(job))
            (lines("Needs attention", &job.problems, job.problem_count))
            (lines("Others", &job.others, job.done - job.problem_count))
        }
        p { a href="/dead-letters" { "All dead letters" } " · " a href="/dead-letters/jobs" { "All jobs" } }
    };
    page(user, Section::DeadLetters, &name, body)
}

fn name(job: &JobReport) -> String {
    let action = match job.kind {
        JobKind::Replay => "Replay",
        JobKind::DryRun => "Dry run",
        JobKind::Decision(Decision::Discard) => "Discard",
        JobKind::Decision(Decision::Restore) => "Restore",
    };
    format!("{action}: {}", dead_letter_count(&job.ids))
}

fn state(job: &JobReport) -> Markup {
    let (class, word) = match &job.end {
        None if job.stopped_by.is_some() => ("dead-letter-replaying", "stopping"),
        None => ("dead-letter-replaying", "running"),
        Some((_, JobEnd::Finished)) if job.problems.is_empty() => ("good", "done"),
        Some((_, JobEnd::Finished)) => ("dead-letter-open", "done"),
        Some((_, JobEnd::Stopped { .. } | JobEnd::TooManyFailures { .. })) => ("bad", "stopped"),
        Some((_, JobEnd::Database | JobEnd::Aborted)) => ("bad", "failed"),
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
            "Started by " bdi { (job.actor.who) } " " (timestamp(job.began_at))
            @if let Some((at, _)) = &job.end { ", ended " (timestamp(*at)) }
            @if let Some(why) = &job.actor.why { ": “" bdi { (why) } "”" }
        }
    }
}

fn stop_button(user: &CurrentUser, job: &JobReport) -> Markup {
    match &job.stopped_by {
        Some(who) => html! { p { bdi { (who) } " is stopping the job." } },
        None => form::post(
            user,
            &format!("/dead-letters/jobs/{}/stop", job.id),
            &html! { button .danger type="submit" { "Stop" } },
        ),
    }
}

/// Why the job ended early, if it did.
fn ended(job: &JobReport) -> Markup {
    let by = job.stopped_by.as_deref();
    let what = match job.end.as_ref().map(|(_, end)| end) {
        None | Some(JobEnd::Finished) => return html! {},
        Some(JobEnd::TooManyFailures { not_tried }) => html! {
            "Stopped: too many failures. " (untried(*not_tried))
        },
        Some(JobEnd::Stopped { not_tried }) => html! {
            "Stopped by " bdi { (by.unwrap_or("the shutdown of the worker")) } ". " (untried(*not_tried))
        },
        Some(JobEnd::Database) => html! {
            "Failed: database unavailable. " (NOT_LISTED)
        },
        Some(JobEnd::Aborted) => html! {
            "Aborted. " (NOT_LISTED)
        },
    };
    notice::error(&what)
}

fn untried(count: usize) -> Markup {
    html! { (count) " not tried and unchanged." }
}

fn counts(job: &JobReport) -> Markup {
    html! {
        div .stats aria-label="Outcomes" {
            @for (outcome, count) in &job.counts {
                div .stat { p .label { (outcome) } p .value { (count) } }
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
                @if all > MAX_LINES { p .hint { "Only the first " (MAX_LINES) " of " (all) " are shown." } }
            }
        }
    }
}

fn line_of(line: &JobLine) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/dead-letters/" (line.id) } { (line.id) } }
            td data-label="Outcome" { (line.outcome) }
            td data-label="Detail" { bdi { (EmailVisibility::Masked.apply(&printable(&line.detail))) } }
        }
    }
}

/// After a dry run: replay the same dead letters.
fn next_step(user: &CurrentUser, job: &JobReport) -> Markup {
    match job.kind {
        JobKind::DryRun => form::post(
            user,
            "/dead-letters/replay",
            &html! {
                input type="hidden" name="ids" value=(encode_ids(&job.ids));
                p { "Nothing was published or changed. " button .primary type="submit" { "Replay…" } }
            },
        ),
        JobKind::Replay | JobKind::Decision(_) => html! {},
    }
}
