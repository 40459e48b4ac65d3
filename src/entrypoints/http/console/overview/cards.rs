//! The five key numbers at the top of the overview.

use std::time::Duration;

use maud::{Markup, html};

use super::numbers::{UNKNOWN, age, counted, rough, whole};
use super::recent_metrics::RecentMetrics;
use crate::messages::{OpenDeadLetters, OutboxBacklog, QueueDepth};

/// Older outbox messages mean that neither the lanes nor the relay publish them.
const MAX_OUTBOX_AGE: Duration = Duration::from_mins(2);

struct Card {
    label: &'static str,
    value: Option<String>,
    detail: Option<String>,
    /// Whether it needs attention.
    alert: bool,
}

pub fn cards(metrics: &RecentMetrics) -> Markup {
    let sampled = metrics.latest().map(|snapshot| &snapshot.latest_samples);
    let backlog = sampled.and_then(|it| it.backlog.as_ref());
    let cards = [
        rate("Commands received", metrics.rate(|it| it.received).now),
        rate("Messages published", metrics.rate(|it| it.published).now),
        command_backlog(sampled.and_then(|it| it.commands)),
        outbox_backlog(backlog.map(|it| it.outbox)),
        open_dead_letters(backlog.and_then(|it| it.open_dead_letters.as_ref())),
    ];
    html! {
        div .stats { @for card in cards { (card.markup()) } }
    }
}

fn rate(label: &'static str, now: Option<f64>) -> Card {
    let value = now.map(|rate| format!("{}/s", rough(rate)));
    Card { label, value, detail: None, alert: false }
}

fn command_backlog(commands: Option<QueueDepth>) -> Card {
    let consumers = |depth: QueueDepth| match depth.consumers {
        0 => "no consumers".to_owned(),
        1 => "1 consumer".to_owned(),
        many => format!("{} consumers", whole(many)),
    };
    Card {
        label: "Command backlog",
        value: commands.map(|depth| whole(depth.ready)),
        detail: commands.map(consumers),
        alert: commands.is_some_and(|depth| depth.consumers == 0),
    }
}

fn outbox_backlog(outbox: Option<OutboxBacklog>) -> Card {
    let oldest = outbox.and_then(|it| it.oldest);
    Card {
        label: "Outbox backlog",
        value: outbox.map(|it| counted(it.count)),
        detail: oldest.map(oldest_age),
        alert: oldest.is_some_and(|oldest| oldest > MAX_OUTBOX_AGE),
    }
}

fn open_dead_letters(dead_letters: Option<&OpenDeadLetters>) -> Card {
    Card {
        label: "Open dead letters",
        value: dead_letters.map(|dead_letters| counted(dead_letters.of(|_| true))),
        detail: dead_letters.and_then(|dead_letters| dead_letters.oldest).map(oldest_age),
        alert: false,
    }
}

fn oldest_age(oldest: Duration) -> String {
    format!("oldest: {}", age(oldest))
}

impl Card {
    fn markup(&self) -> Markup {
        html! {
            div .stat .alert[self.alert] {
                p .label { (self.label) }
                p .value { (self.value.as_deref().unwrap_or(UNKNOWN)) }
                p .detail { (self.detail.as_deref().unwrap_or_default()) }
            }
        }
    }
}
