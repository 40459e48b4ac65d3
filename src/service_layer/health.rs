//! Whether the worker can work, said once when it changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the parts of a worker know of the servers they need; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Troubles>>);

/// What comes in from the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inflow {
    Commands,
    DeadLetters,
}

/// Why the worker is paused, as far as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles {
    pub database: Option<String>,
    pub consuming: Option<String>,
    /// Dead letters wait in their queue; commands are not concerned.
    pub collecting: Option<String>,
    pub publishing: Option<String>,
}

impl Inflow {
    fn name(self) -> &'static str {
        match self {
            Self::Commands => "Commands",
            Self::DeadLetters => "Dead letters",
        }
    }
}

impl Troubles {
    #[must_use]
    pub fn none(&self) -> bool {
        *self == Self::default()
    }

    fn of(&mut self, inflow: Inflow) -> &mut Option<String> {
        match inflow {
            Inflow::Commands => &mut self.consuming,
            Inflow::DeadLetters => &mut self.collecting,
        }
    }
}

impl Health {
    #[must_use]
    pub fn troubles(&self) -> Troubles {
        self.lock().clone()
    }

    pub fn database_answers(&self) {
        if self.lock().database.take().is_some() {
            tracing::info!("Database answers again, work resumes");
        }
    }

    pub fn database_in_trouble(&self, reason: &str) {
        if self.lock().database.replace(reason.to_owned()).is_none() {
            tracing::warn!(reason, "Database is in trouble, work pauses until it answers");
        }
    }

    pub fn consumes(&self, inflow: Inflow) {
        if self.lock().of(inflow).take().is_some() {
            tracing::info!("{} are consumed again", inflow.name());
        }
    }

    pub fn cannot_consume(&self, inflow: Inflow, reason: &str) {
        if self.lock().of(inflow).replace(reason.to_owned()).is_none() {
            tracing::warn!(
                reason,
                "{} cannot be consumed, trying again without end",
                inflow.name()
            );
        }
    }

    pub fn publishes(&self) {
        if self.lock().publishing.take().is_some() {
            tracing::info!("Messages are published again");
        }
    }

    pub fn cannot_publish(&self, reason: &str) {
        if self.lock().publishing.replace(reason.to_owned()).is_none() {
            tracing::warn!(reason, "Messages cannot be published, trying again without end");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Troubles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
