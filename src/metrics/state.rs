//! Whether the worker can work, its connections, and its version.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};
use strum::EnumCount;

use super::catalog;
use crate::messages::ConsumedQueue;

/// Why the worker is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum Pause {
    Database,
    Consuming,
    Collecting,
    Publishing,
    /// The broker blocks publishing connections.
    Blocked,
}

impl Pause {
    pub const ALL: [Self; Self::COUNT] =
        [Self::Database, Self::Consuming, Self::Collecting, Self::Publishing, Self::Blocked];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Consuming => "consuming",
            Self::Collecting => "collecting",
            Self::Publishing => "publishing",
            Self::Blocked => "blocked",
        }
    }
}

/// The metrics of the worker's state.
#[derive(Debug)]
pub struct State {
    paused: IntGaugeVec,
    pauses: IntCounterVec,
    consuming: IntGaugeVec,
    connections: IntCounterVec,
}

impl State {
    pub(super) fn new(registry: &Registry) -> Self {
        let build_info = catalog::BUILD_INFO.gauges(registry);
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let state = Self {
            paused: catalog::PAUSED.gauges(registry),
            pauses: catalog::PAUSES.counters(registry),
            consuming: catalog::CONSUMING.gauges(registry),
            connections: catalog::BROKER_CONNECTIONS.counters(registry),
        };
        for pause in Pause::ALL {
            state.paused.with_label_values(&[pause.as_str()]);
            state.pauses.with_label_values(&[pause.as_str()]);
        }
        state.set_consuming(ConsumedQueue::Commands, false);
        state
    }

    pub fn paused(&self, pause: Pause) {
        self.paused.with_label_values(&[pause.as_str()]).set(1);
        self.pauses.with_label_values(&[pause.as_str()]).inc();
    }

    pub fn resumed(&self, pause: Pause) {
        self.paused.with_label_values(&[pause.as_str()]).set(0);
    }

    /// Whether the broker has confirmed this worker as a consumer of the queue.
    pub fn set_consuming(&self, queue: ConsumedQueue, is_consuming: bool) {
        self.consuming.with_label_values(&[queue.as_str()]).set(is_consuming.into());
    }

    /// A connection to the broker was opened.
    pub fn connected(&self, purpose: &'static str) {
        self.connections.with_label_values(&[purpose]).inc();
    }
}
