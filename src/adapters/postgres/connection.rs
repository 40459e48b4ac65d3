//! A PostgreSQL server, and the ports on it.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};
use tracing::log::LevelFilter;

use super::errors::{is_undefined_table, store_error};
use super::options;
use super::pool::Pool;
use super::session::{ANSWER_TIMEOUT, READ_TIMEOUT, Session, Trust, connect};
use super::{PgBacklogProbe, PgDeadLetters, PgPiiAccessLog, PgQueries, PgRelayStore, PgStore};
use crate::service_layer::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A PostgreSQL database; clones share its pools.
#[derive(Debug, Clone)]
pub struct PgDatabase {
    options: PgConnectOptions,
    trust: Trust,
    readers: Pool,
    dead_letters: Pool,
}

impl PgDatabase {
    /// Connects to `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// When the address is malformed or the server does not answer within 10 seconds.
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

    /// Brings the tables up to date; does nothing where they are.
    ///
    /// # Errors
    /// When the database is in trouble, or was migrated by a newer program.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = connect(&self.options).await?;
        let migrated = MIGRATIONS.run(&mut connection).await;
        migrated.map_err(|error| match &error {
            MigrateError::Execute(error) => store_error(error),
            _ => StoreError::Unusable(error.to_string()),
        })
    }

    /// Whether the tables are those of this program.
    ///
    /// # Errors
    /// When the database is in trouble.
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

    /// The same server and database, but with its tables in the schema `schema`, made anew: what
    /// was in it is gone.
    ///
    /// # Errors
    /// When the database is in trouble or does not allow it.
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
        let trust = Trust::default();
        let readers = Pool::new(4, options::of_readers(&options), READ_TIMEOUT, trust.clone());
        let of_dead_letters = options::of_dead_letters(&options);
        let dead_letters = Pool::new(2, of_dead_letters, ANSWER_TIMEOUT, trust.clone());
        Self { options, trust, readers, dead_letters }
    }

    /// A session for one lane.
    pub fn store(&self) -> PgStore {
        PgStore::new(Session::new(options::of_lanes(&self.options), self.trust.clone()))
    }

    pub fn queries(&self) -> PgQueries {
        PgQueries::new(self.readers.clone())
    }

    pub fn stock(&self) -> PgBacklogProbe {
        PgBacklogProbe::new(self.dead_letters.clone())
    }

    pub fn relay(&self) -> PgRelayStore {
        PgRelayStore::new(options::of_relay(&self.options))
    }

    pub fn dead_letters(&self) -> PgDeadLetters {
        PgDeadLetters::new(self.dead_letters.clone())
    }

    /// Through the pool of dead letters: both are there for operators.
    pub fn disclosures(&self) -> PgPiiAccessLog {
        PgPiiAccessLog::new(self.dead_letters.clone())
    }
}
