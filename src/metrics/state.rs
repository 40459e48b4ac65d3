//! What the worker is, and whether it can work.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::catalog;
use crate::messages::ConsumedQueue;

/// What can keep the worker from its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    Database,
    Consuming,
    Collecting,
    Publishing,
    /// The broker blocks those that publish.
    Blocked,
}

impl Pause {
    pub const ALL: [Self; 5] =
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

/// For what can be so or not.
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
        state.consumes(ConsumedQueue::Commands, false);
        state
    }

    pub fn paused(&self, pause: Pause) {
        self.paused.with_label_values(&[pause.as_str()]).set(1);
        self.pauses.with_label_values(&[pause.as_str()]).inc();
    }

    pub fn goes_on(&self, pause: Pause) {
        self.paused.with_label_values(&[pause.as_str()]).set(0);
    }

    /// Whether the broker has confirmed a consumer.
    pub fn consumes(&self, inflow: ConsumedQueue, consumes: bool) {
        self.consuming.with_label_values(&[inflow.as_str()]).set(consumes.into());
    }

    /// A connection to the broker is made.
    pub fn connected(&self, purpose: &'static str) {
        self.connections.with_label_values(&[purpose]).inc();
    }
}
