//! Version, servers and settings of this worker.

use axum::extract::State;
use chrono::TimeDelta;
use maud::{Markup, html};

use super::CurrentUser;
use super::components::timestamp;
use super::layout::{Page, Section, page};
use crate::config::{DatabaseUrl, ShownSetting};
use crate::entrypoints::http::App;

pub async fn show(user: CurrentUser, State(app): State<App>) -> Page {
    let body = html! {
        div .heading {
            h1 { "Settings" }
            a .button href="/doctor" { "Check servers and queues" }
        }
        (worker(&app))
        (table(&app.settings.shown()))
    };
    page(&user, Section::Settings, "Settings", body)
}

fn worker(app: &App) -> Markup {
    let started = app.console.started_at;
    let uptime = app.clock.now() - started;
    html! {
        section .panel aria-labelledby="worker" {
            h2 #worker { "This worker" }
            dl .terms {
                dt { "Version" } dd { (env!("CARGO_PKG_VERSION")) }
                dt { "Broker" } dd { (broker(app)) }
                dt { "Database" } dd { (database(app)) }
                dt { "Started" } dd { (timestamp(started)) " · up " (two_units(uptime)) }
                dt { "Sign-in" } dd { (sign_in(app)) }
            }
        }
    }
}

fn broker(app: &App) -> Markup {
    match app.settings.broker_url() {
        Ok(Some(url)) => html! { "RabbitMQ, " (url) },
        Ok(None) => html! { "in-process; messages are lost when the worker stops" },
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

fn sign_in(app: &App) -> &'static str {
    if app.tokens.are_required() {
        "token required"
    } else {
        "none: only localhost can connect, with full access"
    }
}

fn table(settings: &[ShownSetting]) -> Markup {
    html! {
        section .panel aria-labelledby="settings" {
            h2 #settings { "Settings" }
            p .hint {
                "Read at start from environment variables, or from command-line options of the same name, which "
                "take precedence."
            }
            table .cards {
                thead {
                    tr { th scope="col" { "Variable" } th scope="col" { "Value" } th scope="col" { "Description" } }
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
            td .hint data-label="Description" { (setting.meaning) }
        }
    }
}

/// A duration in its two largest units.
fn two_units(time: TimeDelta) -> String {
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
    fn an_uptime_has_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(two_units(TimeDelta::seconds(seconds)), text);
        }
    }
}
