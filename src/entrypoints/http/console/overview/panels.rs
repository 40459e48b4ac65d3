//! The panels of the overview, from top to bottom.

use maud::{Markup, html};

use super::cards::cards;
use super::chart::{Line, chart};
use super::numbers::{nearest, rough, seconds, whole};
use super::partitions::partitions;
use super::recent_metrics::RecentMetrics;
use super::tables::{dead_letters, outcomes};
use crate::entrypoints::http::console::layout;
use crate::service_layer::Outages;

pub fn overview(metrics: &RecentMetrics, outages: &Outages) -> Markup {
    html! {
        div .heading {
            h1 { "Overview" }
            p .hint { "This worker, last 5 minutes" }
        }
        (outage_notices(outages))
        (unroutable_events(metrics))
        @if metrics.has_rates() {
            (cards(metrics))
            div .columns.even { (throughput(metrics)) (latency(metrics)) }
            div .columns.even { (backlog(metrics)) (batch_size(metrics)) }
            div .columns.even { (outcomes(metrics)) (dead_letters(metrics)) }
            (partitions(metrics))
        } @else {
            p .empty { "Collecting metrics. The first values appear in a few seconds." }
        }
        noscript { p .hint { "Reload the page to update it." } }
    }
}

/// Without `role="alert"`: each refresh replaces this part, and screen readers would repeat it.
pub fn outage_notices(outages: &Outages) -> Markup {
    html! {
        @for (outage, reason) in layout::outages(outages) {
            div .notice.error { p { strong { (outage) "." } " " (reason) } }
        }
    }
}

fn unroutable_events(metrics: &RecentMetrics) -> Markup {
    let events = metrics.increase(|it| it.unroutable_events);
    html! {
        @if events > 0 {
            div .notice.info {
                p { strong { "Unroutable events: " (whole(events)) "." } " No queue is bound for them." }
            }
        }
    }
}

fn throughput(metrics: &RecentMetrics) -> Markup {
    let lines = [
        Line { name: "commands received", series: metrics.rate(|it| it.received) },
        Line { name: "events and replies published", series: metrics.rate(|it| it.published) },
    ];
    chart("throughput", "Throughput", |rate| format!("{}/s", rough(rate)), &lines)
}

fn latency(metrics: &RecentMetrics) -> Markup {
    let batch = |percent| metrics.percentile(percent, |it| &it.batch_seconds);
    let confirm = metrics.percentile(99, |it| &it.confirm_seconds);
    let lines = [
        Line { name: "batch duration p50", series: batch(50) },
        Line { name: "batch duration p99", series: batch(99) },
        Line { name: "publish confirm latency p99", series: confirm },
    ];
    chart("latency", "Latency", seconds, &lines)
}

fn backlog(metrics: &RecentMetrics) -> Markup {
    let outbox = metrics.gauge(|it| it.backlog.as_ref().map(|backlog| backlog.outbox.count));
    let lines = [
        Line { name: "command queue", series: metrics.gauge(|it| Some(it.commands?.ready)) },
        Line { name: "outbox", series: outbox },
        Line {
            name: "dead letter queue",
            series: metrics.gauge(|it| Some(it.dead_letters?.ready)),
        },
    ];
    chart("backlog", "Backlog", nearest, &lines)
}

fn batch_size(metrics: &RecentMetrics) -> Markup {
    let lines = [
        Line { name: "mean", series: metrics.mean(|it| &it.batch_messages) },
        Line { name: "p99", series: metrics.percentile(99, |it| &it.batch_messages) },
    ];
    chart("batch-size", "Batch size (messages)", rough, &lines)
}
