//! Connecting to PostgreSQL, and telling whose fault an error is.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tracing::log::LevelFilter;

use super::{PgDeadLetters, PgDisclosures, PgQueries, PgRelayStore, PgStock, PgStore};
use crate::service_layer::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for an answer. The server gives up by itself after half of it; this is for a
/// server that can no longer be heard.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of each connection that writes.
const SESSION: [(&str, &str); 6] = [
    ("application_name", "order-worker"),
    ("timezone", "UTC"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("default_transaction_isolation", "read committed"),
];

/// A batch names its rows by arrays, whose sizes the planner cannot know: planned while a table is
/// still small, a statement would scan it for ever after.
const PLANS_OF_BATCHES: [(&str, &str); 2] =
    [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")];

/// A filter or an age finds few rows or all of them: the values tell.
const PLANS_OF_DEAD_LETTERS: [(&str, &str); 2] =
    [("plan_cache_mode", "force_custom_plan"), ("enable_seqscan", "on")];

/// A PostgreSQL database; clones share its pools.
#[derive(Debug, Clone)]
pub struct PgDatabase {
    options: PgConnectOptions,
    readers: PgPool,
    dead_letters: PgPool,
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
        let readers = pool(4, options.clone());
        let database = Self::with(options.options(SESSION).options(PLANS_OF_BATCHES), readers);
        connect(&database.options).await?.close().await.map_err(|error| store_error(&error))?;
        Ok(database)
    }

    /// Brings the tables up to date; does nothing where they are.
    ///
    /// # Errors
    /// When the database is in trouble, or was migrated by a newer program.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATIONS.run(&self.readers).await.map_err(|error| match &error {
            MigrateError::Execute(error) => store_error(error),
            _ => StoreError::Unusable(error.to_string()),
        })
    }

    /// Whether the tables are those of this program.
    ///
    /// # Errors
    /// When the database is in trouble.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        let applied: Result<Option<i64>, _> =
            sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
                .fetch_one(&self.readers)
                .await;
        match applied {
            Ok(applied) => Ok(applied == Some(newest)),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                Ok(false)
            }
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
        let options = self.options.options([("search_path", schema)]);
        let readers = pool(4, options.clone());
        Ok(Self::with(options, readers))
    }

    fn with(options: PgConnectOptions, readers: PgPool) -> Self {
        let dead_letters = pool(2, options.clone().options(PLANS_OF_DEAD_LETTERS));
        Self { options, readers, dead_letters }
    }

    /// A session for one lane.
    #[must_use]
    pub fn store(&self) -> PgStore {
        PgStore::new(self.options.clone())
    }

    #[must_use]
    pub fn queries(&self) -> PgQueries {
        PgQueries::new(self.readers.clone())
    }

    #[must_use]
    pub fn stock(&self) -> PgStock {
        PgStock::new(self.dead_letters.clone())
    }

    #[must_use]
    pub fn relay(&self) -> PgRelayStore {
        PgRelayStore::new(self.options.clone())
    }

    #[must_use]
    pub fn dead_letters(&self) -> PgDeadLetters {
        PgDeadLetters::new(self.dead_letters.clone())
    }

    /// Through the pool of dead letters: both are there for operators.
    #[must_use]
    pub fn disclosures(&self) -> PgDisclosures {
        PgDisclosures::new(self.dead_letters.clone())
    }
}

/// Connects when it is used, and holds no connection that is idle for a minute.
fn pool(most_connections: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(most_connections)
        .min_connections(0)
        .acquire_timeout(CONNECT_TIMEOUT)
        .idle_timeout(Duration::from_secs(60))
        .connect_lazy_with(options)
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    // Whatever keeps a session from beginning, no message has part in it.
    within(CONNECT_TIMEOUT, options.connect())
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// Awaits an answer of the database for at most `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(store_error(&error)),
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {} s", limit.as_secs()))),
    }
}

/// The keys under which another transaction may have written a row since this one looked. Those of
/// items and history are not among them: rows that an order left behind would conflict without end.
const FIRST_WRITER_WINS: [&str; 2] = ["orders_pkey", "handled_messages_pkey"];

/// Tells by the SQLSTATE whose fault an error is. Classes: 22 data, 23 constraints, 54 limits
/// belong to one message, but for 23505 where another transaction wrote first; 40 is a transaction
/// that has to be repeated. Everything else is trouble of the database.
///
/// The text never holds values: messages of class 22 may quote them, so only names are taken.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    let sqlx::Error::Database(database) = error else {
        return StoreError::Unavailable(error.to_string());
    };
    let code = database.code().unwrap_or_default();
    let place = [database.table(), database.constraint()].into_iter().flatten().collect::<Vec<_>>();
    let names = format!("SQLSTATE {code} {}", place.join(" "));
    match code.as_ref() {
        "40001" | "40P01" => StoreError::Conflict(names),
        "23505" if FIRST_WRITER_WINS.contains(&database.constraint().unwrap_or_default()) => {
            StoreError::Conflict(names)
        }
        code if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => {
            StoreError::Refused(names)
        }
        _ => StoreError::Unavailable(format!("{} (SQLSTATE {code})", database.message())),
    }
}
