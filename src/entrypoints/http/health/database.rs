//! Checks the database.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::bootstrap::{Database, Failure, SchemaMismatch};
use crate::service_layer::Health;

/// Maximum duration of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a result is cached: health checks are public, and must not keep the database busy.
const CACHE_FOR: Duration = Duration::from_secs(1);

/// The last result. Concurrent callers wait for the one check in progress.
#[derive(Debug, Default)]
pub struct DatabaseCheck(Mutex<Option<(Instant, DatabaseStatus)>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseStatus {
    Migrated,
    /// Its tables are missing or older than this program.
    NotMigrated,
    /// Its tables need a newer program.
    TooNew,
    Unavailable,
}

impl DatabaseCheck {
    pub async fn status(&self, database: &Database, health: &Health) -> DatabaseStatus {
        let mut last = self.0.lock().await;
        if let Some((at, status)) = *last
            && at.elapsed() < CACHE_FOR
        {
            return status;
        }
        let status = match timeout(CHECK_TIMEOUT, database.ensure_migrated()).await {
            Ok(Ok(version)) => {
                health.has_schema(version.applied, version.known);
                DatabaseStatus::Migrated
            }
            Ok(Err(Failure::Schema(SchemaMismatch::TooNew { .. }))) => DatabaseStatus::TooNew,
            Ok(Err(Failure::Schema(_))) => DatabaseStatus::NotMigrated,
            Ok(Err(_)) | Err(_) => DatabaseStatus::Unavailable,
        };
        *last = Some((Instant::now(), status));
        status
    }
}
