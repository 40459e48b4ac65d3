//! The contract on SQLite, in a file of its own for each test.

use order_worker::adapters::sqlite::{
    SqliteDatabase, SqliteQueries, SqliteRelayStore, SqliteStore,
};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;

use crate::store_contract::{TestDatabase, store_contract};

struct Sqlite {
    database: SqliteDatabase,
    url: String,
    /// Removed with everything in it at the end.
    _directory: TempDir,
}

impl TestDatabase for Sqlite {
    type Store = SqliteStore;
    type Queries = SqliteQueries;
    type Relay = SqliteRelayStore;

    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("orders.db").display());
        let database = SqliteDatabase::open(&url).await.unwrap();
        assert!(!database.is_migrated().await.unwrap());
        database.migrate().await.unwrap();
        assert!(database.is_migrated().await.unwrap());
        Self {
            database,
            url,
            _directory: directory,
        }
    }

    fn store(&self) -> SqliteStore {
        self.database.store()
    }

    fn queries(&self) -> SqliteQueries {
        self.database.queries()
    }

    fn relay(&self) -> SqliteRelayStore {
        self.database.relay()
    }

    async fn poison(&self, order_id: &str) {
        let trigger = format!(
            "create trigger poison before insert on orders when new.order_id = '{order_id}'
             begin select raise(abort, 'poisoned'); end"
        );
        let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(trigger))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    async fn finish(self) {}
}

store_contract!(Sqlite);
