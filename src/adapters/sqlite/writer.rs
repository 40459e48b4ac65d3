//! The one connection that writes.

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Executor};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::errors::store_error;
use crate::service_layer::StoreError;

/// The connection that writes, for one user at a time; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    place: Arc<Mutex<Option<SqliteConnection>>>,
}

/// A turn at the connection. It goes back to its place only at a clean [`end`](Self::end): a turn
/// that is dropped midway, at whatever await, takes the connection along, and SQLite rolls back.
#[derive(Debug)]
pub(super) struct Turn {
    place: OwnedMutexGuard<Option<SqliteConnection>>,
    pub(super) connection: SqliteConnection,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, place: Arc::default() }
    }

    /// Waits for the turn, and connects where the last one took the connection along.
    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        let mut place = Arc::clone(&self.place).lock_owned().await;
        let connection = match place.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(|error| store_error(&error))?,
        };
        Ok(Turn { place, connection })
    }
}

impl Turn {
    pub(super) async fn execute(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let executed = self.connection.execute(statement).await;
        executed.map(drop).map_err(|error| store_error(&error))
    }

    pub(super) fn end(mut self) {
        *self.place = Some(self.connection);
    }
}
