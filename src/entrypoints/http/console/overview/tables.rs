//! Counts of outcomes and dead letters.

use maud::{Markup, html};

use super::numbers::{UNKNOWN, counted, whole};
use super::recent_metrics::RecentMetrics;
use crate::messages::{DeadLetterCode, OpenDeadLetters};
use crate::metrics::OUTCOMES;

/// The row of codes that this worker does not know, such as those of the broker.
const OTHER: &str = "";

pub fn outcomes(metrics: &RecentMetrics) -> Markup {
    let counts: Vec<u64> =
        (0..OUTCOMES.len()).map(|index| metrics.increase(|it| it.outcomes[index])).collect();
    let all = counts.iter().sum();
    html! {
        section .panel aria-labelledby="outcomes" {
            h2 #outcomes { "Outcomes" }
            table .compact {
                thead {
                    tr {
                        th scope="col" { "Outcome" }
                        th scope="col" { span .visually-hidden { "Share" } }
                        th .number scope="col" { "Last 5 min" }
                        th .number scope="col" { "Since start" }
                    }
                }
                tbody {
                    @for (index, outcome) in OUTCOMES.iter().enumerate() {
                        tr {
                            th scope="row" { (outcome.replace('_', " ")) }
                            td { (share_bar(counts[index], all)) }
                            td .number { (whole(counts[index])) }
                            td .number { (whole(metrics.latest().map_or(0, |it| it.outcomes[index]))) }
                        }
                    }
                }
            }
        }
    }
}

/// A bar as long as the share, in whole percent.
fn share_bar(count: u64, all: u64) -> Markup {
    let percent = count.saturating_mul(100).checked_div(all).unwrap_or(0);
    html! {
        svg .share-bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect .track width="100" height="8" {}
            rect .fill width=(percent) height="8" {}
        }
    }
}

struct Row {
    code: &'static str,
    /// In the last five minutes.
    new: u64,
    /// `None` if the database was not available.
    open: Option<u64>,
}

pub fn dead_letters(metrics: &RecentMetrics) -> Markup {
    let backlog = metrics.latest().and_then(|it| it.latest_samples.backlog.as_ref());
    let open = backlog.and_then(|backlog| backlog.open_dead_letters.as_ref());
    let rows: Vec<Row> =
        rows(metrics, open).filter(|row| row.new + row.open.unwrap_or(0) > 0).collect();
    html! {
        section .panel aria-labelledby="dead-letters" {
            h2 #dead-letters { "Dead letters" }
            @if !rows.is_empty() { (table(&rows)) }
            @else if open.is_some() { p .empty { "No open dead letters" } }
            @else { p .empty { "No new dead letters. The number of open ones is unknown." } }
        }
    }
}

fn table(rows: &[Row]) -> Markup {
    html! {
        table .compact {
            thead {
                tr {
                    th scope="col" { "Code" }
                    th .number scope="col" { "Last 5 min" }
                    th .number scope="col" { "Open" }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (link(row.code)) }
                        td .number { (whole(row.new)) }
                        td .number { (row.open.map_or(UNKNOWN.to_owned(), counted)) }
                    }
                }
            }
        }
    }
}

fn rows(metrics: &RecentMetrics, open: Option<&OpenDeadLetters>) -> impl Iterator<Item = Row> {
    let codes = DeadLetterCode::ALL.map(DeadLetterCode::as_str);
    let known = codes.map(|code| Row {
        code,
        new: metrics.increase(|it| it.dead_letters[code]),
        open: open.map(|open| open.of(|it| it == code)),
    });
    let others = open.map(|open| open.of(|it| !codes.contains(&it)));
    known.into_iter().chain([Row { code: OTHER, new: 0, open: others }])
}

fn link(code: &str) -> Markup {
    if code == OTHER {
        return html! { a href="/dead-letters" { "other codes" } };
    }
    html! { a href={ "/dead-letters?code=" (code) } { code { (code) } } }
}
