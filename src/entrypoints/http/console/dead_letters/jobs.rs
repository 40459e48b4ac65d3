//! Starting, listing and stopping jobs.

use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::html;
use uuid::Uuid;

use super::fields::Fields;
use super::job_page;
use super::selection::SelectedDeadLetters;
use crate::entrypoints::http::console::components::notice::Flash;
use crate::entrypoints::http::console::layout::Page;
use crate::entrypoints::http::console::{CurrentUser, Submitted};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::jobs::{JobProgress, JobReport, JobRequest};

/// Starts a job and redirects to its page, or back with a notice if it cannot start.
pub fn start_job<W>(
    app: &App,
    user: &CurrentUser,
    selected: &SelectedDeadLetters,
    request: JobRequest,
    work: impl FnOnce(JobProgress) -> W,
) -> Redirect
where
    W: Future<Output = Result<usize, StoreError>> + Send + 'static,
{
    if selected.ids.is_empty() {
        return nothing_selected(user, selected);
    }
    match app.jobs.start(request, work) {
        Ok(job) => Redirect::to(&format!("/dead-letters/jobs/{job}")),
        Err(refused) => {
            user.set_flash(Flash::Refused(html! { "Not started: " (refused) "." }));
            Redirect::to(&selected.back)
        }
    }
}

/// Redirects back with a notice.
pub fn nothing_selected(user: &CurrentUser, selected: &SelectedDeadLetters) -> Redirect {
    let why = html! { "Nothing to do: no dead letter is selected, or none is in a state that allows this." };
    user.set_flash(Flash::Refused(why));
    Redirect::to(&selected.back)
}

pub async fn list(user: CurrentUser, State(app): State<App>) -> Page {
    job_page::list(&user, &app.jobs.reports())
}

pub async fn show(
    user: CurrentUser,
    State(app): State<App>,
    Path(job): Path<String>,
) -> Result<Page, Problem> {
    let job = find(&app, &job)?;
    let is_blocked = job.is_running() && app.broker.publishing_is_blocked();
    Ok(job_page::page_of(&user, &job, is_blocked))
}

pub async fn stop(
    State(app): State<App>,
    Path(job): Path<String>,
    Submitted { user, form: _ }: Submitted<Fields>,
) -> Result<Redirect, Problem> {
    let job = find(&app, &job)?.id;
    if !app.jobs.stop(job, &user.caller().name) {
        user.set_flash(Flash::Refused(html! { "The job has already ended." }));
    }
    Ok(Redirect::to(&format!("/dead-letters/jobs/{job}")))
}

fn find(app: &App, job: &str) -> Result<JobReport, Problem> {
    let found = job.parse::<Uuid>().ok().and_then(|id| app.jobs.report(id));
    found.ok_or_else(|| {
        Problem::not_found(
            "this worker has no such job: it has been removed, or the worker has restarted; its \
             results are in the audit log of each dead letter",
        )
    })
}
