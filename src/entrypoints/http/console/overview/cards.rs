//! The five figures that stand first.

use std::time::Duration;

use maud::{Markup, html};

use super::figures::Figures;
use super::numbers::{UNKNOWN, age, counted, rough, whole};
use crate::service_layer::{OpenDeadLetters, Outboxed, QueueDepth};

/// From this age on, whatever should have published a message does not.
const OUTBOX_IS_OLD: Duration = Duration::from_mins(2);

/// One figure.
struct Card {
    label: &'static str,
    value: Option<String>,
    note: Option<String>,
    /// Whether somebody should look into it.
    bad: bool,
}

pub fn cards(figures: &Figures) -> Markup {
    let answers = figures.newest().map(|look| &look.last_answers);
    let stock = answers.and_then(|it| it.stock.as_ref());
    let cards = [
        rate("Commands in", figures.rate(|it| it.received).now),
        rate("Events out", figures.rate(|it| it.published).now),
        waiting(answers.and_then(|it| it.commands)),
        outbox(stock.map(|it| it.outbox)),
        open_dead_letters(stock.and_then(|it| it.open_dead_letters.as_ref())),
    ];
    html! {
        div .figures { @for card in cards { (card.markup()) } }
    }
}

fn rate(label: &'static str, now: Option<f64>) -> Card {
    let value = now.map(|rate| format!("{}/s", rough(rate)));
    Card { label, value, note: None, bad: false }
}

fn waiting(commands: Option<QueueDepth>) -> Card {
    let consumers = |depth: QueueDepth| match depth.consumers {
        0 => "nobody consumes them".to_owned(),
        1 => "1 consumer".to_owned(),
        many => format!("{} consumers", whole(many)),
    };
    Card {
        label: "Waiting commands",
        value: commands.map(|depth| whole(depth.ready)),
        note: commands.map(consumers),
        bad: commands.is_some_and(|depth| depth.consumers == 0),
    }
}

fn outbox(outbox: Option<Outboxed>) -> Card {
    let oldest = outbox.and_then(|it| it.oldest);
    Card {
        label: "In the outbox",
        value: outbox.map(|it| counted(it.count)),
        note: oldest.map(since),
        bad: oldest.is_some_and(|oldest| oldest > OUTBOX_IS_OLD),
    }
}

fn open_dead_letters(dead_letters: Option<&OpenDeadLetters>) -> Card {
    Card {
        label: "Open dead letters",
        value: dead_letters.map(|dead_letters| counted(dead_letters.of(|_| true))),
        note: dead_letters.and_then(|dead_letters| dead_letters.oldest).map(since),
        bad: false,
    }
}

fn since(oldest: Duration) -> String {
    format!("oldest: {}", age(oldest))
}

impl Card {
    fn markup(&self) -> Markup {
        html! {
            div .figure .bad[self.bad] {
                p .label { (self.label) }
                p .value { (self.value.as_deref().unwrap_or(UNKNOWN)) }
                p .note { (self.note.as_deref().unwrap_or_default()) }
            }
        }
    }
}
