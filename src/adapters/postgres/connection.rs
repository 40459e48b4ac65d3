//! A PostgreSQL database: connects, migrates, and creates the adapters of all ports.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{ConnectOptions, Connection, Row};
use tracing::log::LevelFilter;

use super::address::Address;
use super::errors::{is_undefined_table, store_error};
use super::options;
use super::pool::Pool;
use super::response::{READ_TIMEOUT, RESPONSE_TIMEOUT};
use super::servers::Servers;
use super::session::{Session, SessionValidity, connect};
use super::{PgBacklogProbe, PgDeadLetters, PgPiiAccessLog, PgQueries, PgRelayStore, PgStore};
use crate::adapters::SchemaVersion;
use crate::adapters::schema_version::{beside_newer_programs, last_of};
use crate::service_layer::{ServerUrl, StoreError};

static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| beside_newer_programs(sqlx::migrate!("migrations/postgres")));

const APPLIED: &str = "select max(version) from _sqlx_migrations where success";
const MINIMUM: &str = "select max(minimum_version) from schema_compatibility";

/// A PostgreSQL database; clones share its pools.
#[derive(Debug, Clone)]
pub struct PgDatabase {
    servers: Servers,
    validity: SessionValidity,
    pub(super) readers: Pool,
    dead_letters: Pool,
}

impl PgDatabase {
    /// Connects to `postgres://user:password@host:port/database`, which may name several servers:
    /// `postgres://user:password@one,two/database?target_session_attrs=read-write`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the address is malformed or has an unknown parameter,
    /// [`StoreError::Unavailable`] when no session can be opened within 10 s.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::open(url, None).await
    }

    /// The same; the URL is read again before each further session.
    ///
    /// # Errors
    /// As those of [`connect`](Self::connect).
    pub async fn connect_at_current(url: ServerUrl) -> Result<Self, StoreError> {
        Self::open(&url.read(), Some(url.clone())).await
    }

    /// The URL that is read again before each session.
    pub fn current_url(&self) -> Option<&ServerUrl> {
        self.servers.current_url()
    }

    async fn open(url: &str, current: Option<ServerUrl>) -> Result<Self, StoreError> {
        let address: Address =
            url.parse().map_err(|error| StoreError::Unusable(format!("DATABASE_URL: {error}")))?;
        let servers = match current {
            Some(url) => Servers::from(address).at_current_url(url),
            None => Servers::from(address),
        };
        let database = Self::with(servers.with(|options| {
            let options = options.log_statements(LevelFilter::Off);
            let options = options.log_slow_statements(LevelFilter::Off, Duration::ZERO);
            options::of_each_session(options)
        }));
        let session = connect(&database.servers).await?;
        session.close().await.map_err(|error| store_error(&error))?;
        Ok(database)
    }

    /// Applies pending migrations; returns the version that the schema then has.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the tables need a newer program, or an applied migration
    /// differs; otherwise when the database is unavailable.
    pub async fn migrate(&self) -> Result<SchemaVersion, StoreError> {
        self.schema_version().await?.ensure_migratable()?;
        let mut connection = connect(&self.servers).await?;
        let migrated = MIGRATIONS.run(&mut connection).await;
        migrated.map_err(|error| match &error {
            MigrateError::Execute(error) => store_error(error),
            _ => StoreError::Unusable(error.to_string()),
        })?;
        // Again, as a newer program may have migrated meanwhile.
        self.schema_version().await?.ensure_migratable()
    }

    /// The version of the schema.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn schema_version(&self) -> Result<SchemaVersion, StoreError> {
        let known = last_of(&MIGRATIONS);
        let applied = match self.number(APPLIED).await {
            Ok(applied) => applied,
            Err(error) if is_undefined_table(&error) => None,
            Err(error) => return Err(store_error(&error)),
        };
        // Older tables do not state it.
        let minimum = if applied > Some(known) {
            self.number(MINIMUM).await.map_err(|error| store_error(&error))?
        } else {
            None
        };
        Ok(SchemaVersion { applied, minimum: minimum.unwrap_or(0), known })
    }

    async fn number(&self, query: &'static str) -> Result<Option<i64>, sqlx::Error> {
        self.readers.try_fetch_one(|| sqlx::query(query)).await?.try_get(0)
    }

    /// The same database with its tables in the schema `schema`. Drops that schema with everything
    /// in it and creates it again.
    ///
    /// # Errors
    /// When the database is unavailable or a privilege is missing.
    pub async fn in_fresh_schema(self, schema: &'static str) -> Result<Self, StoreError> {
        let mut connection = connect(&self.servers).await?;
        let statement = format!("drop schema if exists {schema} cascade; create schema {schema}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .map_err(|error| store_error(&error))?;
        Ok(Self::with(self.servers.with(move |options| options.options([("search_path", schema)]))))
    }

    fn with(servers: Servers) -> Self {
        let validity = SessionValidity::default();
        let of_readers = servers.with(options::of_readers);
        let readers = Pool::new(4, of_readers, READ_TIMEOUT, validity.clone());
        let of_dead_letters = servers.with(options::of_dead_letters);
        let dead_letters = Pool::new(2, of_dead_letters, RESPONSE_TIMEOUT, validity.clone());
        Self { servers, validity, readers, dead_letters }
    }

    /// A store with its own session, for one lane.
    pub fn store(&self) -> PgStore {
        PgStore::new(Session::new(self.servers.with(options::of_lanes), self.validity.clone()))
    }

    pub fn queries(&self) -> PgQueries {
        PgQueries::new(self.readers.clone())
    }

    pub fn backlog_probe(&self) -> PgBacklogProbe {
        PgBacklogProbe::new(self.dead_letters.clone())
    }

    pub fn relay(&self) -> PgRelayStore {
        PgRelayStore::new(self.servers.with(options::of_relay))
    }

    pub fn dead_letters(&self) -> PgDeadLetters {
        PgDeadLetters::new(self.dead_letters.clone())
    }

    /// Through the pool for dead letters, which operators use as well.
    pub fn pii_access_log(&self) -> PgPiiAccessLog {
        PgPiiAccessLog::new(self.dead_letters.clone())
    }
}
