//! A PostgreSQL database: connects, migrates, and creates the adapters of all ports.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};
use tracing::log::LevelFilter;

use super::errors::{is_undefined_table, store_error};
use super::options;
use super::pool::Pool;
use super::session::{READ_TIMEOUT, RESPONSE_TIMEOUT, Session, SessionValidity, connect};
use super::{PgBacklogProbe, PgDeadLetters, PgPiiAccessLog, PgQueries, PgRelayStore, PgStore};
use crate::service_layer::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A PostgreSQL database; clones share its pools.
#[derive(Debug, Clone)]
pub struct PgDatabase {
    options: PgConnectOptions,
    validity: SessionValidity,
    pub(super) readers: Pool,
    dead_letters: Pool,
}

impl PgDatabase {
    /// Connects to `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the address is malformed, [`StoreError::Unavailable`] when no
    /// session can be opened within 10 s.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| {
                StoreError::Unusable("DATABASE_URL is not a PostgreSQL address".to_owned())
            })?
            .log_statements(LevelFilter::Off)
            .log_slow_statements(LevelFilter::Off, Duration::ZERO);
        let database = Self::with(options::of_each_session(options));
        let session = connect(&database.options).await?;
        session.close().await.map_err(|error| store_error(&error))?;
        Ok(database)
    }

    /// Applies pending migrations.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when a newer version has migrated the database, or an applied
    /// migration differs; otherwise when the database is unavailable.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = connect(&self.options).await?;
        let migrated = MIGRATIONS.run(&mut connection).await;
        migrated.map_err(|error| match &error {
            MigrateError::Execute(error) => store_error(error),
            _ => StoreError::Unusable(error.to_string()),
        })
    }

    /// Whether the schema has the version of this binary.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        const APPLIED: &str = "select max(version) from _sqlx_migrations where success";
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        let applied = self.readers.try_fetch_one(|| sqlx::query(APPLIED)).await;
        match applied.and_then(|row| row.try_get::<Option<i64>, _>(0)) {
            Ok(applied) => Ok(applied == Some(newest)),
            Err(error) if is_undefined_table(&error) => Ok(false),
            Err(error) => Err(store_error(&error)),
        }
    }

    /// The same database with its tables in the schema `schema`. Drops that schema with everything
    /// in it and creates it again.
    ///
    /// # Errors
    /// When the database is unavailable or a privilege is missing.
    pub async fn in_fresh_schema(self, schema: &'static str) -> Result<Self, StoreError> {
        let mut connection = connect(&self.options).await?;
        let statement = format!("drop schema if exists {schema} cascade; create schema {schema}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .map_err(|error| store_error(&error))?;
        Ok(Self::with(self.options.options([("search_path", schema)])))
    }

    fn with(options: PgConnectOptions) -> Self {
        let validity = SessionValidity::default();
        let readers = Pool::new(4, options::of_readers(&options), READ_TIMEOUT, validity.clone());
        let of_dead_letters = options::of_dead_letters(&options);
        let dead_letters = Pool::new(2, of_dead_letters, RESPONSE_TIMEOUT, validity.clone());
        Self { options, validity, readers, dead_letters }
    }

    /// A store with its own session, for one lane.
    pub fn store(&self) -> PgStore {
        PgStore::new(Session::new(options::of_lanes(&self.options), self.validity.clone()))
    }

    pub fn queries(&self) -> PgQueries {
        PgQueries::new(self.readers.clone())
    }

    pub fn backlog_probe(&self) -> PgBacklogProbe {
        PgBacklogProbe::new(self.dead_letters.clone())
    }

    pub fn relay(&self) -> PgRelayStore {
        PgRelayStore::new(options::of_relay(&self.options))
    }

    pub fn dead_letters(&self) -> PgDeadLetters {
        PgDeadLetters::new(self.dead_letters.clone())
    }

    /// Through the pool for dead letters, which operators use as well.
    pub fn pii_access_log(&self) -> PgPiiAccessLog {
        PgPiiAccessLog::new(self.dead_letters.clone())
    }
}
