//! A SQLite database file: opens, migrates, and creates the adapters of all ports.

use std::str::FromStr;
use std::sync::{Arc, LazyLock};
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
use crate::adapters::SchemaVersion;
use crate::adapters::schema_version::{beside_newer_programs, last_of};
use crate::service_layer::StoreError;

static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| beside_newer_programs(sqlx::migrate!("migrations/sqlite")));

const HAS_MIGRATIONS: &str =
    "select nullif(count(*), 0) from sqlite_schema where name = '_sqlx_migrations'";
const APPLIED: &str = "select max(version) from _sqlx_migrations where success";
const MINIMUM: &str = "select max(minimum_version) from schema_compatibility";

/// How long to wait while another process locks the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A SQLite database; clones share its connections.
#[derive(Debug, Clone)]
pub struct SqliteDatabase {
    writer: Writer,
    pub(super) readers: SqlitePool,
    /// Locked by the relay. Only one process uses the file, so a mutex is enough.
    relay_mutex: Arc<Mutex<()>>,
}

impl SqliteDatabase {
    /// Whether the file of `sqlite:path/to/file` exists.
    pub fn exists(url: &str) -> bool {
        SqliteConnectOptions::from_str(url).is_ok_and(|options| options.get_filename().exists())
    }

    /// Opens `sqlite:path/to/file`, and creates the file if it is missing. An in-memory database
    /// does not work: each connection would have its own.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the address is malformed or the file cannot be opened.
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
        let database = Self { writer: Writer::new(options), readers, relay_mutex: Arc::default() };
        // Unusable, not unavailable: retrying would not help.
        let opened = database.writer.acquire().await;
        opened.map_err(|error| StoreError::Unusable(error.to_string()))?.release();
        Ok(database)
    }

    /// Applies pending migrations; returns the version that the schema then has.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the tables need a newer program, or an applied migration
    /// differs; otherwise when the database is unavailable.
    pub async fn migrate(&self) -> Result<SchemaVersion, StoreError> {
        self.schema_version().await?.ensure_migratable()?;
        let mut writer = self.writer.acquire().await?;
        let migrated = MIGRATIONS.run(&mut writer.connection).await;
        migrated.map_err(|error| match &error {
            MigrateError::Execute(error) => store_error(error),
            _ => StoreError::Unusable(error.to_string()),
        })?;
        writer.release();
        // Again, as a newer program may have migrated meanwhile.
        self.schema_version().await?.ensure_migratable()
    }

    /// The version of the schema.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn schema_version(&self) -> Result<SchemaVersion, StoreError> {
        let known = last_of(&MIGRATIONS);
        let applied = match self.number(HAS_MIGRATIONS).await? {
            Some(_) => self.number(APPLIED).await?,
            None => None,
        };
        // Older tables do not state it.
        let minimum = if applied > Some(known) { self.number(MINIMUM).await? } else { None };
        Ok(SchemaVersion { applied, minimum: minimum.unwrap_or(0), known })
    }

    async fn number(&self, query: &'static str) -> Result<Option<i64>, StoreError> {
        let number = sqlx::query_scalar(query).fetch_one(&self.readers).await;
        number.map_err(|error| store_error(&error))
    }

    /// A store for one lane.
    pub fn store(&self) -> SqliteStore {
        SqliteStore::new(self.writer.clone())
    }

    pub fn queries(&self) -> SqliteQueries {
        SqliteQueries::new(self.readers.clone())
    }

    pub fn backlog_probe(&self) -> SqliteBacklogProbe {
        SqliteBacklogProbe::new(self.readers.clone())
    }

    pub fn relay(&self) -> SqliteRelayStore {
        SqliteRelayStore::new(self.writer.clone(), Arc::clone(&self.relay_mutex))
    }

    pub fn dead_letters(&self) -> SqliteDeadLetters {
        SqliteDeadLetters::new(self.writer.clone(), self.readers.clone())
    }

    pub fn pii_access_log(&self) -> SqlitePiiAccessLog {
        SqlitePiiAccessLog::new(self.writer.clone(), self.readers.clone())
    }
}
