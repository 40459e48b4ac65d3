//! What this worker is, and how it is set.

use axum::extract::State;
use chrono::TimeDelta;
use maud::{Markup, html};

use super::CurrentUser;
use super::components::timestamp;
use super::layout::{Page, Section, page};
use crate::adapters::clock::SystemClock;
use crate::config::{DatabaseUrl, ShownSetting};
use crate::entrypoints::http::App;
use crate::service_layer::Clock;

pub async fn show(visitor: CurrentUser, State(app): State<App>) -> Page {
    let body = html! {
        h1 { "Settings" }
        (worker(&app))
        (table(&app.settings.shown()))
    };
    page(&visitor, Section::Settings, "Settings", body)
}

fn worker(app: &App) -> Markup {
    let started = app.console.started_at;
    let uptime = SystemClock.now() - started;
    html! {
        section .panel aria-labelledby="worker" {
            h2 #worker { "This worker" }
            dl .terms {
                dt { "Version" } dd { (env!("CARGO_PKG_VERSION")) }
                dt { "Broker" } dd { (broker(app)) }
                dt { "Database" } dd { (database(app)) }
                dt { "Started" } dd { (timestamp(started)) " · up for " (spoken(uptime)) }
                dt { "Tokens" } dd { (tokens(app)) }
            }
        }
    }
}

fn broker(app: &App) -> Markup {
    match app.settings.broker_url() {
        Ok(Some(url)) => html! { "RabbitMQ, " (url) },
        Ok(None) => html! { "within this process; it keeps nothing when it ends" },
        Err(invalid) => html! { (invalid) },
    }
}

fn database(app: &App) -> Markup {
    match app.settings.database() {
        Ok(DatabaseUrl::Postgres(url)) => html! { "PostgreSQL, " (url) },
        Ok(DatabaseUrl::Sqlite(url)) => html! { "SQLite, " (url) },
        Err(invalid) => html! { (invalid) },
    }
}

fn tokens(app: &App) -> &'static str {
    if app.tokens.are_required() {
        "needed by everybody"
    } else {
        "none: everybody on this machine may do everything, and nobody else anything"
    }
}

fn table(settings: &[ShownSetting]) -> Markup {
    html! {
        section .panel aria-labelledby="settings" {
            h2 #settings { "Settings" }
            p .hint {
                "Each is a variable of the environment, and an option of the same name on the command line, "
                "which wins. They are read when the worker starts."
            }
            table .cards {
                thead {
                    tr { th scope="col" { "Variable" } th scope="col" { "Value" } th scope="col" { "Meaning" } }
                }
                tbody { @for setting in settings { (row(setting)) } }
            }
        }
    }
}

fn row(setting: &ShownSetting) -> Markup {
    html! {
        tr {
            th scope="row" { code { (setting.variable) } }
            td data-label="Value" {
                div {
                    @match &setting.value {
                        Some(value) => { code { (value) } }
                        None => { span .hint { "not set" } }
                    }
                    @if !setting.is_default { " " span .badge { "set" } }
                }
            }
            td .hint data-label="Meaning" { (setting.meaning) }
        }
    }
}

/// A time in its two largest units.
fn spoken(time: TimeDelta) -> String {
    let (days, hours, minutes) = (time.num_days(), time.num_hours() % 24, time.num_minutes() % 60);
    let seconds = time.num_seconds() % 60;
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_two_largest_units() {
        for (seconds, told) in [
            (0, "0 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(spoken(TimeDelta::seconds(seconds)), told);
        }
    }
}
