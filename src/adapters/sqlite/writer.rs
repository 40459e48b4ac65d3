//! The shared connection for writing.

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Executor};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::errors::store_error;
use crate::service_layer::StoreError;

/// The connection for writing, used by one task at a time; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    slot: Arc<Mutex<Option<SqliteConnection>>>,
}

/// Exclusive access to the connection. It is kept for the next task only by
/// [`release`](Self::release): a guard that is dropped midway, at any await, drops the connection
/// too, and SQLite rolls back.
#[derive(Debug)]
pub(super) struct WriterGuard {
    slot: OwnedMutexGuard<Option<SqliteConnection>>,
    pub(super) connection: SqliteConnection,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, slot: Arc::default() }
    }

    /// Waits for exclusive access, and connects if there is no open connection.
    pub(super) async fn acquire(&self) -> Result<WriterGuard, StoreError> {
        let mut slot = Arc::clone(&self.slot).lock_owned().await;
        let connection = match slot.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(|error| store_error(&error))?,
        };
        Ok(WriterGuard { slot, connection })
    }
}

impl WriterGuard {
    pub(super) async fn execute(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let executed = self.connection.execute(statement).await;
        executed.map(drop).map_err(|error| store_error(&error))
    }

    pub(super) fn release(mut self) {
        *self.slot = Some(self.connection);
    }
}
