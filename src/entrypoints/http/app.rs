//! What all routes share.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use axum::http::StatusCode;

use super::Problem;
use super::auth::Tokens;
use super::console::Console;
use super::health::DatabaseCheck;
use crate::adapters::clock::SystemClock;
use crate::bootstrap::{Broker, Database};
use crate::config::{InvalidSetting, Settings};
use crate::entrypoints::command_client::CommandClient;
use crate::service_layer::dead_letters::jobs::Jobs;
use crate::service_layer::{ByteBudget, Health};

/// The worker as HTTP sees it; clones share it.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

#[derive(Debug)]
pub struct Parts {
    pub settings: Settings,
    pub broker: Broker,
    pub health: Health,
    pub tokens: Tokens,
    pub requests: CommandClient,
    pub jobs: Jobs,
    /// For the bodies of commands.
    pub body_bytes: ByteBudget,
    pub(super) console: Console,
    pub(super) database_check: DatabaseCheck,
    database: OnceLock<Database>,
}

impl App {
    /// # Errors
    /// When HTTP_TOKENS or its file is wrong.
    pub fn new(
        settings: &Settings,
        broker: &Broker,
        health: &Health,
        requests: CommandClient,
    ) -> Result<Self, InvalidSetting> {
        Ok(Self(Arc::new(Parts {
            settings: settings.clone(),
            broker: broker.clone(),
            health: health.clone(),
            tokens: Tokens::of(settings)?,
            requests,
            body_bytes: settings.http_bytes(),
            jobs: Jobs::new(Arc::new(SystemClock)),
            console: Console::default(),
            database_check: DatabaseCheck::default(),
            database: OnceLock::new(),
        })))
    }

    /// Has the routes ask this database from now on.
    pub fn ask(&self, database: Database) {
        // A second one would be the same.
        let _ = self.0.database.set(database);
    }

    /// Has the health know whether the broker blocks those that publish, which nobody else tells it.
    pub fn look_whether_blocked(&self) {
        if self.broker.publishing_is_blocked() {
            self.health.publishing_is_blocked();
        } else {
            self.health.publishing_is_not_blocked();
        }
    }

    /// # Errors
    /// While the worker waits for the database at its start.
    pub fn database(&self) -> Result<&Database, Problem> {
        self.0.database.get().ok_or_else(|| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the worker waits for its database")
        })
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
