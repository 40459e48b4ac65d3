//! Outcomes and dead letters, counted.

use maud::{Markup, html};

use super::figures::Figures;
use super::numbers::{UNKNOWN, counted, whole};
use crate::metrics::OUTCOMES;
use crate::service_layer::DeadLetterCode;

/// Stands for the codes that this program does not know: the broker's own, and somebody's.
const OTHERS: &str = "";

pub fn outcomes(figures: &Figures) -> Markup {
    let counts: Vec<u64> =
        (0..OUTCOMES.len()).map(|place| figures.gained(|look| look.outcomes[place])).collect();
    let all = counts.iter().sum();
    html! {
        section .panel aria-labelledby="outcomes" {
            h2 #outcomes { "What became of commands" }
            table .bars {
                thead {
                    tr {
                        th scope="col" { "Outcome" }
                        th scope="col" { span .unseen { "Share" } }
                        th .number scope="col" { "5 minutes" }
                        th .number scope="col" { "Since start" }
                    }
                }
                tbody {
                    @for (place, word) in OUTCOMES.iter().enumerate() {
                        tr {
                            th scope="row" { (word.replace('_', " ")) }
                            td { (bar(counts[place], all)) }
                            td .number { (whole(counts[place])) }
                            td .number { (whole(figures.newest().map_or(0, |it| it.outcomes[place]))) }
                        }
                    }
                }
            }
        }
    }
}

/// A share of all, in whole percents, as a bar.
fn bar(count: u64, all: u64) -> Markup {
    let percents = count.saturating_mul(100).checked_div(all).unwrap_or(0);
    html! {
        svg .bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect .ground width="100" height="8" {}
            rect .share width=(percents) height="8" {}
        }
    }
}

/// A code, with those that are new and those that are open.
type Row = (&'static str, u64, Option<u64>);

pub fn dead_letters(figures: &Figures) -> Markup {
    let rows: Vec<Row> =
        rows(figures).filter(|(_, new, open)| new + open.unwrap_or(0) > 0).collect();
    html! {
        section .panel aria-labelledby="dead-letters" {
            h2 #dead-dead_letters { "Dead letters" }
            @if rows.is_empty() {
                p { "None is new, and none is known to be open." }
            } @else {
                table .bars {
                    thead {
                        tr {
                            th scope="col" { "Code" }
                            th .number scope="col" { "5 minutes" }
                            th .number scope="col" { "Open" }
                        }
                    }
                    tbody {
                        @for (code, new, open) in rows {
                            tr {
                                th scope="row" { (link(code)) }
                                td .number { (whole(new)) }
                                td .number { (open.map_or(UNKNOWN.to_owned(), counted)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn rows(figures: &Figures) -> impl Iterator<Item = Row> {
    let codes = DeadLetterCode::ALL.map(DeadLetterCode::slug);
    let stock = figures.newest().and_then(|look| look.last_answers.stock.as_ref());
    let open = stock.and_then(|stock| stock.open_dead_letters.as_ref());
    let new = |code| figures.gained(|look| look.dead_letters[code]);
    let known = codes.map(|code| (code, new(code), open.map(|open| open.of(|it| it == code))));
    let others = open.map(|open| open.of(|it| !codes.contains(&it)));
    known.into_iter().chain([(OTHERS, 0, others)])
}

fn link(code: &str) -> Markup {
    if code == OTHERS {
        return html! { a href="/dead-letters" { "other codes" } };
    }
    html! { a href={ "/dead-letters?code=" (code) } { code { (code) } } }
}
