//! Opening a database file.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::Mutex;
use tracing::log::LevelFilter;

use super::errors::store_error;
use super::writer::Writer;
use super::{
    SqliteBacklogProbe, SqliteDeadLetters, SqlitePiiAccessLog, SqliteQueries, SqliteRelayStore,
    SqliteStore,
};
use crate::service_layer::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Longest wait for another process that has the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A SQLite database; clones share its connections.
#[derive(Debug, Clone)]
pub struct SqliteDatabase {
    writer: Writer,
    readers: SqlitePool,
    /// Held by the one relay. A file belongs to one process, so a lock in memory is enough.
    relay: Arc<Mutex<()>>,
}

impl SqliteDatabase {
    /// Opens `sqlite:path/to/file`, which is made where it is missing. Memory will not do: the
    /// connections would see one database each.
    ///
    /// # Errors
    /// When the address is malformed or the file cannot be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| StoreError::Unusable("DATABASE_URL is not a SQLite address".to_owned()))?
            .busy_timeout(BUSY_TIMEOUT)
            .log_statements(LevelFilter::Off)
            .log_slow_statements(LevelFilter::Off, Duration::ZERO);
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_lazy_with(options.clone().pragma("query_only", "on"));
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let database = Self { writer: Writer::new(options), readers, relay: Arc::default() };
        // A file that cannot be opened now cannot be later.
        let opened = database.writer.turn().await;
        opened.map_err(|error| StoreError::Unusable(error.to_string()))?.end();
        Ok(database)
    }

    /// Brings the tables up to date; does nothing where they are.
    ///
    /// # Errors
    /// When the database is in trouble, or was migrated by a newer program.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut turn = self.writer.turn().await?;
        let migrated = MIGRATIONS.run(&mut turn.connection).await;
        migrated.map_err(|error| match &error {
            MigrateError::Execute(error) => store_error(error),
            _ => StoreError::Unusable(error.to_string()),
        })?;
        turn.end();
        Ok(())
    }

    /// Whether the tables are those of this program.
    ///
    /// # Errors
    /// When the database is in trouble.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        const HAS_MIGRATIONS: &str =
            "select count(*) > 0 from sqlite_schema where name = '_sqlx_migrations'";
        const APPLIED: &str = "select max(version) from _sqlx_migrations where success";
        let has_migrations = sqlx::query_scalar(HAS_MIGRATIONS).fetch_one(&self.readers).await;
        if !has_migrations.map_err(|error| store_error(&error))? {
            return Ok(false);
        }
        let applied: Result<Option<i64>, _> =
            sqlx::query_scalar(APPLIED).fetch_one(&self.readers).await;
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        Ok(applied.map_err(|error| store_error(&error))? == newest)
    }

    /// A session for one lane.
    pub fn store(&self) -> SqliteStore {
        SqliteStore::new(self.writer.clone())
    }

    pub fn queries(&self) -> SqliteQueries {
        SqliteQueries::new(self.readers.clone())
    }

    pub fn stock(&self) -> SqliteBacklogProbe {
        SqliteBacklogProbe::new(self.readers.clone())
    }

    pub fn relay(&self) -> SqliteRelayStore {
        SqliteRelayStore::new(self.writer.clone(), Arc::clone(&self.relay))
    }

    pub fn dead_letters(&self) -> SqliteDeadLetters {
        SqliteDeadLetters::new(self.writer.clone(), self.readers.clone())
    }

    pub fn disclosures(&self) -> SqlitePiiAccessLog {
        SqlitePiiAccessLog::new(self.writer.clone(), self.readers.clone())
    }
}
