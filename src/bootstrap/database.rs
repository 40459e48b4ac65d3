//! The database that the settings name.

use chrono::{DateTime, Utc};

use super::Failure;
use crate::adapters::postgres::PgDatabase;
use crate::adapters::sqlite::SqliteDatabase;
use crate::config::{DatabaseUrl, Settings};
use crate::domain::{MessageId, Order, OrderId};
use crate::service_layer::dead_letters::{
    AuditEntry, DeadLetter, DeadLetterCount, DeadLetterCursor, DeadLetterFilter, DeadLetterGroup,
    DeadLetterRecord, DeadLetterStore, DeadLetterSummary, Pruned, Retention, Revision,
};
use crate::service_layer::{
    Backoff, Health, InboxEntry, OrderHistory, OrderQueries, OrderQuery, Page, PiiAccess,
    PiiAccessLog, StoreError,
};

/// Where the orders are.
#[derive(Debug, Clone)]
pub enum Database {
    Postgres(PgDatabase),
    Sqlite(SqliteDatabase),
}

impl Database {
    /// Opens the database that the settings name.
    ///
    /// # Errors
    /// When the settings are wrong or the database does not answer.
    pub async fn open(settings: &Settings) -> Result<Self, Failure> {
        Ok(match settings.database()? {
            DatabaseUrl::Postgres(url) => Self::Postgres(PgDatabase::connect(url.expose()).await?),
            DatabaseUrl::Sqlite(url) => Self::Sqlite(SqliteDatabase::open(url.expose()).await?),
        })
    }

    /// Opens the database and brings its tables up to date, or makes sure that they are; waits for
    /// the database as long as it takes.
    ///
    /// # Errors
    /// When the settings are wrong, or the tables are not those of this program.
    pub async fn ready(settings: &Settings, health: &Health) -> Result<Self, Failure> {
        let mut backoff = Backoff::for_database();
        loop {
            match Self::try_ready(settings).await {
                Err(Failure::Database(StoreError::Unavailable(reason))) => {
                    health.database_in_trouble(&reason);
                    backoff.pause().await;
                }
                ready => {
                    health.database_answers();
                    return ready;
                }
            }
        }
    }

    async fn try_ready(settings: &Settings) -> Result<Self, Failure> {
        let database = Self::open(settings).await?;
        if settings.migrate {
            database.migrate().await?;
        } else {
            database.ensure_migrated().await?;
        }
        Ok(database)
    }

    /// # Errors
    /// When the database is in trouble.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(database) => database.migrate().await,
            Self::Sqlite(database) => database.migrate().await,
        }
    }

    /// # Errors
    /// [`Failure::NotMigrated`] when the tables are not those of this program.
    pub async fn ensure_migrated(&self) -> Result<(), Failure> {
        let migrated = match self {
            Self::Postgres(database) => database.is_migrated().await?,
            Self::Sqlite(database) => database.is_migrated().await?,
        };
        migrated.then_some(()).ok_or(Failure::NotMigrated)
    }
}

impl OrderQueries for Database {
    async fn orders(&self, query: &OrderQuery, page: &Page) -> Result<Vec<Order>, StoreError> {
        match self {
            Self::Postgres(database) => database.queries().orders(query, page).await,
            Self::Sqlite(database) => database.queries().orders(query, page).await,
        }
    }

    async fn order(&self, order_id: &OrderId) -> Result<Option<OrderHistory>, StoreError> {
        match self {
            Self::Postgres(database) => database.queries().order(order_id).await,
            Self::Sqlite(database) => database.queries().order(order_id).await,
        }
    }

    async fn message(&self, message_id: &MessageId) -> Result<Option<InboxEntry>, StoreError> {
        match self {
            Self::Postgres(database) => database.queries().message(message_id).await,
            Self::Sqlite(database) => database.queries().message(message_id).await,
        }
    }
}

impl PiiAccessLog for Database {
    async fn record_access(&self, access: &PiiAccess) -> Result<(), StoreError> {
        match self {
            Self::Postgres(database) => database.pii_access_log().record_access(access).await,
            Self::Sqlite(database) => database.pii_access_log().record_access(access).await,
        }
    }

    async fn accesses(&self, order_id: &OrderId, limit: u32) -> Result<Vec<PiiAccess>, StoreError> {
        match self {
            Self::Postgres(database) => database.pii_access_log().accesses(order_id, limit).await,
            Self::Sqlite(database) => database.pii_access_log().accesses(order_id, limit).await,
        }
    }
}

/// Hands a question or a change on to whichever database it is.
macro_rules! dead_letters {
    ($database:expr, $method:ident($($argument:expr),*)) => {
        match $database {
            Database::Postgres(database) => database.dead_letters().$method($($argument),*).await,
            Database::Sqlite(database) => database.dead_letters().$method($($argument),*).await,
        }
    };
}

impl DeadLetterStore for Database {
    async fn collect(
        &self,
        dead_letters: &[DeadLetter],
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        dead_letters!(self, collect(dead_letters, now))
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterCursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, StoreError> {
        dead_letters!(self, dead_letters(filter, after, limit))
    }

    async fn dead_letter_ids(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        dead_letters!(self, dead_letter_ids(filter, limit))
    }

    async fn dead_letter_groups(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterGroup>, StoreError> {
        dead_letters!(self, dead_letter_groups(filter, limit))
    }

    async fn dead_letter_counts(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterCount>, StoreError> {
        dead_letters!(self, dead_letter_counts(filter, limit))
    }

    async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetterRecord>, StoreError> {
        dead_letters!(self, dead_letter(id))
    }

    async fn dead_letter_of_message(
        &self,
        message_id: &MessageId,
    ) -> Result<Option<DeadLetterRecord>, StoreError> {
        dead_letters!(self, dead_letter_of_message(message_id))
    }

    async fn dead_letter_actions(&self, id: i64) -> Result<Vec<AuditEntry>, StoreError> {
        dead_letters!(self, dead_letter_actions(id))
    }

    async fn claim_dead_letter(
        &self,
        id: i64,
        most_replays: u32,
        abandoned_before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<DeadLetterRecord>, StoreError> {
        dead_letters!(self, claim_dead_letter(id, most_replays, abandoned_before, now))
    }

    async fn finish_replay(
        &self,
        id: i64,
        replay: u32,
        confirmed: bool,
        action: &AuditEntry,
    ) -> Result<(), StoreError> {
        dead_letters!(self, finish_replay(id, replay, confirmed, action))
    }

    async fn revise_dead_letter(
        &self,
        id: i64,
        revision: u32,
        revised: &Revision,
        action: &AuditEntry,
    ) -> Result<bool, StoreError> {
        dead_letters!(self, revise_dead_letter(id, revision, revised, action))
    }

    async fn discard_dead_letter(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError> {
        dead_letters!(self, discard_dead_letter(id, action))
    }

    async fn restore_dead_letter(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError> {
        dead_letters!(self, restore_dead_letter(id, action))
    }

    async fn record_action(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError> {
        dead_letters!(self, record_action(id, action))
    }

    async fn prune(&self, retention: &Retention, limit: u32) -> Result<Pruned, StoreError> {
        dead_letters!(self, prune(retention, limit))
    }
}
