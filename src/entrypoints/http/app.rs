//! State shared by all routes.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use axum::http::StatusCode;

use super::Problem;
use super::auth::Tokens;
use super::console::Console;
use super::health::DatabaseCheck;
use crate::bootstrap::{Broker, Database, system_clock};
use crate::config::{InvalidSetting, Settings};
use crate::entrypoints::command_client::CommandClient;
use crate::service_layer::dead_letters::jobs::Jobs;
use crate::service_layer::{ByteBudget, Clock, Health};

/// The parts of the worker that handlers use; clones share them.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

#[derive(Debug)]
pub struct Parts {
    pub settings: Settings,
    pub broker: Broker,
    pub health: Health,
    pub tokens: Arc<Tokens>,
    pub requests: CommandClient,
    pub clock: Arc<dyn Clock>,
    pub jobs: Jobs,
    /// Limits the memory for the bodies of commands.
    pub body_bytes: ByteBudget,
    pub(super) console: Console,
    pub(super) database_check: DatabaseCheck,
    database: OnceLock<Database>,
}

impl App {
    /// # Errors
    /// When HTTP_TOKENS or its file is invalid.
    pub fn new(
        settings: &Settings,
        broker: &Broker,
        health: &Health,
        requests: CommandClient,
    ) -> Result<Self, InvalidSetting> {
        let clock = system_clock();
        Ok(Self(Arc::new(Parts {
            settings: settings.clone(),
            broker: broker.clone(),
            health: health.clone(),
            tokens: Arc::new(Tokens::of(settings)?),
            requests,
            body_bytes: ByteBudget::new(settings.byte_share()),
            jobs: Jobs::new(clock.clone()),
            console: Console::new(clock.now()),
            clock,
            database_check: DatabaseCheck::default(),
            database: OnceLock::new(),
        })))
    }

    /// Makes the database available to handlers. Only the first call has an effect.
    pub fn set_database(&self, database: Database) {
        let _ = self.0.database.set(database);
    }

    /// Updates the health with whether the broker blocks publishing (memory or disk alarm).
    pub fn check_blocked(&self) {
        if self.broker.publishing_is_blocked() {
            self.health.publishing_blocked();
        } else {
            self.health.publishing_unblocked();
        }
    }

    /// # Errors
    /// While the worker waits for the database at startup.
    pub fn database(&self) -> Result<&Database, Problem> {
        self.0.database.get().ok_or_else(|| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the worker is waiting for its database")
        })
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
