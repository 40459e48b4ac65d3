//! The findings of `order-worker doctor`, and this worker's readiness.

use std::time::Duration;

use axum::extract::State;
use maud::{Markup, html};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::CurrentUser;
use super::layout::{Page, Section, page};
use crate::bootstrap;
use crate::entrypoints::http::App;
use crate::entrypoints::http::health::Readiness;
use crate::entrypoints::printable::printable;
use crate::service_layer::doctor::{CheckResult, Finding, Report, readiness};

/// How long a report is shown again: an examination opens connections to both servers.
const CACHE_FOR: Duration = Duration::from_secs(5);

/// The last report. Concurrent users wait for the one examination in progress.
#[derive(Debug, Default)]
pub struct LastReport(Mutex<Option<(Instant, Report)>>);

pub async fn show(user: CurrentUser, State(app): State<App>) -> Page {
    let body = html! {
        div .heading {
            h1 { "Doctor" }
            a .button href="/doctor" { "Check again" }
        }
        @match report(&app).await {
            Ok(report) => { (summary(&report)) (table(&report)) }
            Err(failure) => { p .notice.error { (failure) } }
        }
    };
    page(&user, Section::Settings, "Doctor", body)
}

async fn report(app: &App) -> Result<Report, bootstrap::Failure> {
    let mut last = app.console.last_report.0.lock().await;
    if let Some((at, report)) = &*last
        && at.elapsed() < CACHE_FOR
    {
        return Ok(report.clone());
    }
    let doctor = bootstrap::doctor(&app.settings)?;
    let (report, worker) = tokio::join!(doctor.examine(), Readiness::of(app));
    let report = Report::of([report.findings, readiness(worker.results())].concat());
    *last = Some((Instant::now(), report.clone()));
    Ok(report)
}

fn summary(report: &Report) -> Markup {
    let Report { errors, warnings, unknown, .. } = report;
    html! {
        p .hint {
            (errors) " errors, " (warnings) " warnings, " (unknown) " checks that were not possible. "
            "The same as " code { "order-worker doctor" } "; it changes nothing."
        }
    }
}

fn table(report: &Report) -> Markup {
    html! {
        section .panel aria-label="Findings" {
            table .cards {
                thead {
                    tr { th scope="col" { "Check" } th scope="col" { "Result" } th scope="col" { "Detail" } }
                }
                tbody { @for finding in &report.findings { (row(finding)) } }
            }
        }
    }
}

fn row(finding: &Finding) -> Markup {
    let Finding { check, result, detail, meaning, fix } = finding;
    let badge = match result {
        CheckResult::Ok => "badge good",
        CheckResult::Error => "badge bad",
        CheckResult::Warning | CheckResult::Unknown => "badge",
    };
    html! {
        tr {
            th scope="row" { (printable(check)) }
            td data-label="Result" { span class=(badge) { (result.as_str()) } }
            td data-label="Detail" {
                (printable(detail))
                @if let Some(meaning) = meaning { p .hint { (meaning) } }
                @if let Some(fix) = fix { p { code { (printable(fix)) } } }
            }
        }
    }
}
