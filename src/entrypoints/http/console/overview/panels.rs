//! The parts of the overview, in their order.

use maud::{Markup, html};

use super::cards::cards;
use super::chart::{Line, chart};
use super::figures::Figures;
use super::numbers::{nearest, rough, seconds, whole};
use super::tables::{dead_letters, outcomes};
use crate::entrypoints::http::console::layout;
use crate::service_layer::Outages;

/// The whole of it.
pub fn overview(figures: &Figures, paused: &Outages) -> Markup {
    html! {
        div .heading {
            h1 { "Overview" }
            p .hint { "This worker, in the last 5 minutes" }
        }
        (troubles(paused))
        (unroutable(figures))
        @if figures.has_begun() {
            (cards(figures))
            div .columns.even { (rates(figures)) (times(figures)) }
            div .columns.even { (waiting(figures)) (batches(figures)) }
            div .columns.even { (outcomes(figures)) (dead_letters(figures)) }
        } @else {
            p .empty { "The first figures come in a few seconds." }
        }
        noscript { p .hint { "Load the page again for newer figures." } }
    }
}

/// Why the worker is paused. Not as alerts: the part is put in its place again and again.
pub fn troubles(paused: &Outages) -> Markup {
    html! {
        @for (what, reason) in layout::told(paused) {
            div .notice.trouble { p { strong { (what) "." } " " (reason) } }
        }
    }
}

fn unroutable(figures: &Figures) -> Markup {
    let events = figures.gained(|look| look.unroutable_events);
    html! {
        @if events > 0 {
            div .notice.hint {
                p { strong { "Events without a subscriber: " (whole(events)) "." } " No queue is bound for them." }
            }
        }
    }
}

fn rates(figures: &Figures) -> Markup {
    let lines = [
        Line { name: "commands in", series: figures.rate(|it| it.received) },
        Line { name: "events and answers out", series: figures.rate(|it| it.published) },
    ];
    chart("rates", "In and out", |rate| format!("{}/s", rough(rate)), &lines)
}

fn times(figures: &Figures) -> Markup {
    let batch = |percent| figures.percentile(percent, |it| &it.batch_seconds);
    let confirm = figures.percentile(99, |it| &it.confirm_seconds);
    let lines = [
        Line { name: "batch, half of them within", series: batch(50) },
        Line { name: "batch, 99 % within", series: batch(99) },
        Line { name: "commit to confirm, 99 % within", series: confirm },
    ];
    chart("times", "How long batches take", seconds, &lines)
}

fn waiting(figures: &Figures) -> Markup {
    let outbox = figures.level(|it| it.stock.as_ref().map(|stock| stock.outbox.count));
    let lines = [
        Line {
            name: "commands in the queue",
            series: figures.level(|it| Some(it.commands?.ready)),
        },
        Line { name: "messages in the outbox", series: outbox },
        Line {
            name: "dead letters in their queue",
            series: figures.level(|it| Some(it.dead_letters?.ready)),
        },
    ];
    chart("waiting", "What waits", nearest, &lines)
}

fn batches(figures: &Figures) -> Markup {
    let sizes = figures.percentile(99, |it| &it.batch_messages);
    let lines = [
        Line { name: "mean", series: figures.mean(|it| &it.batch_messages) },
        Line { name: "99 % have at most", series: sizes },
    ];
    chart("batches", "Messages in a batch", rough, &lines)
}
