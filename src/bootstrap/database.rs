//! The database that the settings name.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Failure, server_url};
use crate::adapters::SchemaVersion;
use crate::adapters::clock::SystemClock;
use crate::adapters::postgres::PgDatabase;
use crate::adapters::sqlite::SqliteDatabase;
use crate::config::{DatabaseUrl, Settings};
use crate::metrics::Metrics;
use crate::service_layer::dead_letters::{DeadLetterStore, DryRun};
use crate::service_layer::doctor::ServerFacts;
use crate::service_layer::{
    BacklogProbe, Backoff, Health, OrderQueries, PiiAccessLog, RelayStore, ServerUrl, Store,
    StoreError, sample_backlog,
};

/// The database of the orders.
#[derive(Debug, Clone)]
pub enum Database {
    Postgres(PgDatabase),
    Sqlite(SqliteDatabase),
}

impl Database {
    /// Opens the database that the settings name.
    ///
    /// # Errors
    /// When the settings are invalid or the database is unavailable.
    pub async fn open(settings: &Settings) -> Result<Self, Failure> {
        Ok(match (settings.database()?, settings.database_url_file()?) {
            (DatabaseUrl::Postgres(_), Some(file)) => {
                Self::Postgres(PgDatabase::connect_at_current(server_url(file)).await?)
            }
            (url, _) => Self::at(&url).await?,
        })
    }

    /// Opens the database at this address.
    ///
    /// # Errors
    /// When it is unavailable.
    pub async fn at(url: &DatabaseUrl) -> Result<Self, StoreError> {
        Ok(match url {
            DatabaseUrl::Postgres(url) => Self::Postgres(PgDatabase::connect(url.expose()).await?),
            DatabaseUrl::Sqlite(url) => Self::Sqlite(SqliteDatabase::open(url.expose()).await?),
        })
    }

    /// Its URL that is read again before each connection, if it is in a file.
    pub fn current_url(&self) -> Option<&ServerUrl> {
        match self {
            Self::Postgres(database) => database.current_url(),
            Self::Sqlite(_) => None,
        }
    }

    /// Opens the database and migrates or checks its schema. Waits for the database without limit.
    ///
    /// # Errors
    /// When the settings are invalid, or this program does not support the schema.
    pub async fn ready(settings: &Settings, health: &Health) -> Result<Self, Failure> {
        let mut backoff = Backoff::for_database();
        loop {
            match Self::try_ready(settings, health).await {
                Err(Failure::Database(StoreError::Unavailable(reason))) => {
                    health.database_down(&reason);
                    backoff.pause().await;
                }
                ready => {
                    health.database_up();
                    return ready;
                }
            }
        }
    }

    async fn try_ready(settings: &Settings, health: &Health) -> Result<Self, Failure> {
        let database = Self::open(settings).await?;
        let version = if settings.migrate {
            database.migrate().await?
        } else {
            database.ensure_migrated().await?
        };
        health.has_schema(version.applied, version.known);
        Ok(database)
    }

    /// Applies pending migrations; returns the version that the schema then has.
    ///
    /// # Errors
    /// When the database is unavailable, or a migration fails.
    pub async fn migrate(&self) -> Result<SchemaVersion, StoreError> {
        match self {
            Self::Postgres(database) => database.migrate().await,
            Self::Sqlite(database) => database.migrate().await,
        }
    }

    /// # Errors
    /// [`Failure::Schema`] when this program does not support the schema.
    pub async fn ensure_migrated(&self) -> Result<SchemaVersion, Failure> {
        let version = match self {
            Self::Postgres(database) => database.schema_version().await?,
            Self::Sqlite(database) => database.schema_version().await?,
        };
        version.ensure_usable()?;
        Ok(version)
    }

    /// # Errors
    /// When the database is unavailable.
    pub(super) async fn server_facts(&self) -> Result<ServerFacts, StoreError> {
        match self {
            Self::Postgres(database) => database.server_facts().await,
            Self::Sqlite(database) => database.server_facts().await,
        }
    }

    /// A session for one lane.
    pub fn store(&self) -> Box<dyn Store> {
        match self {
            Self::Postgres(database) => Box::new(database.store()),
            Self::Sqlite(database) => Box::new(database.store()),
        }
    }

    /// The outbox, for the relay.
    pub fn relay(&self) -> Box<dyn RelayStore> {
        match self {
            Self::Postgres(database) => Box::new(database.relay()),
            Self::Sqlite(database) => Box::new(database.relay()),
        }
    }

    pub fn orders(&self) -> Arc<dyn OrderQueries> {
        match self {
            Self::Postgres(database) => Arc::new(database.queries()),
            Self::Sqlite(database) => Arc::new(database.queries()),
        }
    }

    pub fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        match self {
            Self::Postgres(database) => Arc::new(database.dead_letters()),
            Self::Sqlite(database) => Arc::new(database.dead_letters()),
        }
    }

    pub fn pii_access_log(&self) -> Arc<dyn PiiAccessLog> {
        match self {
            Self::Postgres(database) => Arc::new(database.pii_access_log()),
            Self::Sqlite(database) => Arc::new(database.pii_access_log()),
        }
    }

    /// Processes dead letters in transactions that are rolled back.
    pub fn dry_run(&self) -> DryRun {
        DryRun::new(self.store(), self.orders(), Arc::new(SystemClock))
    }

    /// Samples the backlog in the tables until `stop` is cancelled.
    pub async fn sample(self, metrics: Metrics, stop: CancellationToken) {
        sample_backlog(self.backlog_probe(), metrics, stop).await;
    }

    pub(super) fn backlog_probe(&self) -> Box<dyn BacklogProbe> {
        match self {
            Self::Postgres(database) => Box::new(database.backlog_probe()),
            Self::Sqlite(database) => Box::new(database.backlog_probe()),
        }
    }
}
