//! What goes on while nobody waits for it.

use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::html;
use uuid::Uuid;

use super::fields::Fields;
use super::job_page;
use super::selection::Meant;
use crate::entrypoints::http::console::components::notice::Flash;
use crate::entrypoints::http::console::layout::Page;
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::jobs::{JobProgress, JobReport, JobRequest};

/// Begins a job and leads to its page, or back where there is nothing to do or no room for it.
pub fn begin<W>(
    app: &App,
    visitor: &CurrentUser,
    meant: &Meant,
    request: JobRequest,
    work: impl FnOnce(JobProgress) -> W,
) -> Redirect
where
    W: Future<Output = Result<usize, StoreError>> + Send + 'static,
{
    if meant.ids.is_empty() {
        return nothing_meant(visitor, meant);
    }
    match app.jobs.start(request, work) {
        Ok(job) => Redirect::to(&format!("/dead-letters/jobs/{job}")),
        Err(refused) => {
            visitor.set_flash(Flash::Refused(html! { "Nothing was done: " (refused) "." }));
            Redirect::to(&meant.back)
        }
    }
}

/// Back to where somebody meant nothing.
pub fn nothing_meant(visitor: &CurrentUser, meant: &Meant) -> Redirect {
    let why = html! { "Nothing was done: none is ticked, or none of them is in a state for it." };
    visitor.set_flash(Flash::Refused(why));
    Redirect::to(&meant.back)
}

pub async fn list(visitor: CurrentUser, State(app): State<App>) -> Page {
    job_page::list(&visitor, &app.jobs.reports())
}

pub async fn show(
    visitor: CurrentUser,
    State(app): State<App>,
    Path(job): Path<String>,
) -> Result<Page, Problem> {
    let job = find(&app, &job)?;
    let is_blocked = job.is_running() && app.broker.publishing_is_blocked();
    Ok(job_page::page_of(&visitor, &job, is_blocked))
}

pub async fn stop(
    State(app): State<App>,
    Path(job): Path<String>,
    Submitted { visitor, form: _ }: Submitted<Fields>,
) -> Result<Redirect, Problem> {
    let job = find(&app, &job)?.id;
    if !app.jobs.stop(job, &visitor.caller().name) {
        visitor.set_flash(Flash::Refused(html! { "The job had ended already." }));
    }
    Ok(Redirect::to(&format!("/dead-letters/jobs/{job}")))
}

fn find(app: &App, job: &str) -> Result<JobReport, Problem> {
    let found = job.parse::<Uuid>().ok().and_then(|id| app.jobs.report(id));
    found.ok_or_else(|| {
        Problem::not_found(
            "this worker knows no such job: it ended long ago, or the worker has started again \
             since; what it did is in the record of each dead letter",
        )
    })
}
