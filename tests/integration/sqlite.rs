//! The contracts on SQLite, in a separate file for each test.

use order_worker::adapters::SchemaVersion;
use order_worker::adapters::sqlite::{
    SqliteBacklogProbe, SqliteDatabase, SqliteDeadLetters, SqlitePiiAccessLog, SqliteQueries,
    SqliteRelayStore, SqliteStore,
};
use order_worker::domain::CustomerId;
use order_worker::messages::Outcome;
use order_worker::service_layer::{
    BatchLookup, Changes, OrderQueries, OrderQuery, Page, Store, StoreError,
};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;

use crate::builders::WithContent;
use crate::dead_letter_contract::{WithDeadLetters, dead_letter_contract};
use crate::pii_access_contract::{WithPiiAccessLog, pii_access_contract};
use crate::schema_contract::{WithSchema, schema_contract};
use crate::store_contract::{TestDatabase, order, outcomes, store_contract, words};
use crate::support::messages::{cancel, id, place};

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
    type Backlog = SqliteBacklogProbe;

    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("orders.db").display());
        let database = SqliteDatabase::open(&url).await.unwrap();
        assert_eq!(database.schema_version().await.unwrap().applied, None);
        let version = database.migrate().await.unwrap();
        assert_eq!(version.applied, Some(version.known));
        Self { database, url, _directory: directory }
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

    fn backlog_probe(&self) -> SqliteBacklogProbe {
        self.database.backlog_probe()
    }

    async fn poison(&self, order_id: &str) {
        self.execute(format!(
            "create trigger poison before insert on orders when new.order_id = '{order_id}'
             begin select raise(abort, 'poisoned'); end"
        ))
        .await;
    }

    async fn garble_outbox(&self, order_id: &str) {
        self.execute(format!("update outbox set kind = 99 where order_id = '{order_id}'")).await;
    }

    async fn finish(self) {}
}

impl WithPiiAccessLog for Sqlite {
    type PiiAccessLog = SqlitePiiAccessLog;

    fn pii_access_log(&self) -> SqlitePiiAccessLog {
        self.database.pii_access_log()
    }
}

impl WithSchema for Sqlite {
    async fn schema_version(&self) -> SchemaVersion {
        self.database.schema_version().await.unwrap()
    }

    async fn migrate(&self) -> Result<SchemaVersion, StoreError> {
        self.database.migrate().await
    }

    async fn execute_in_schema(&self, statements: &str) {
        self.execute(statements.to_owned()).await;
    }
}

impl WithDeadLetters for Sqlite {
    type DeadLetters = SqliteDeadLetters;

    fn dead_letters(&self) -> SqliteDeadLetters {
        self.database.dead_letters()
    }

    async fn refuse_actions(&self) {
        self.execute("drop table dead_letter_actions".to_owned()).await;
    }
}

impl Sqlite {
    /// Executes statements on a separate connection.
    async fn execute(&self, statements: String) {
        let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

store_contract!(Sqlite);

mod pii_access {
    super::pii_access_contract!(super::Sqlite);
}

mod schema {
    super::schema_contract!(super::Sqlite);
}

mod dead_letters {
    super::dead_letter_contract!(super::Sqlite);
}

#[tokio::test]
async fn orders_survive_reopening_the_file() {
    let mut database = Sqlite::start().await;
    outcomes(&database, &[place("14")]).await;

    database.database = SqliteDatabase::open(&database.url).await.unwrap();

    let version = database.database.schema_version().await.unwrap();
    assert_eq!(version.applied, Some(version.known));
    assert_eq!(database.database.migrate().await.unwrap(), version, "nothing is left to migrate");
    assert_eq!(order(&database, "14").await.version(), 1);
}

#[tokio::test]
async fn an_invalid_row_is_an_error_with_its_order_id() {
    let database = Sqlite::start().await;
    outcomes(&database, &[place("14"), place("15")]).await;
    database.execute("delete from order_items where order_id = '14'".to_owned()).await;

    let listed = database.queries().orders(&OrderQuery::all(), &Page::first(10)).await.unwrap_err();
    let loaded =
        database.store().begin(&BatchLookup::of(&[place("14")])).await.map(drop).unwrap_err();

    for error in [listed, loaded] {
        assert!(matches!(&error, StoreError::Refused(text) if text.contains("14")), "{error}");
    }
}

#[tokio::test]
async fn an_error_names_the_constraint_and_no_value() {
    let database = Sqlite::start().await;
    outcomes(&database, &[place("14")]).await;
    let taken = "insert into order_history values ('14', 2, 1, 6, 0, 'CancelOrder', null, null)";
    database.execute(taken.to_owned()).await;

    let outcome = outcomes(&database, &[cancel("14").because("secret")]).await.remove(0);

    let Outcome::DeadLetter(dead_letter) = outcome else { panic!("{outcome:?}") };
    assert!(dead_letter.detail.contains("order_history.version"), "{dead_letter}");
    assert!(!dead_letter.detail.contains("secret"), "{dead_letter}");
}

#[tokio::test]
async fn a_file_without_tables_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("empty.db").display());
    let database = SqliteDatabase::open(&url).await.unwrap();
    let (customer_id, order_id) = (CustomerId::new("2").unwrap(), id("14"));

    let listed =
        database.queries().orders(&OrderQuery::of_customer(customer_id), &Page::first(10)).await;
    let found = database.queries().order(&order_id).await;

    assert!(matches!(listed, Err(StoreError::Unavailable(_))), "{listed:?}");
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
}

#[tokio::test]
async fn errors_of_triggers_and_functions_are_the_fault_of_one_message() {
    let database = Sqlite::start().await;
    database
        .execute(
            "create trigger refuse before insert on orders when new.order_id = '13'
             begin select raise(abort, 'unlucky'); end;
             create trigger look before insert on orders when new.order_id = '14'
             begin select json_extract('no JSON', '$'); end"
                .to_owned(),
        )
        .await;

    let outcomes = outcomes(&database, &["12", "13", "14", "15"].map(place)).await;

    assert_eq!(words(&outcomes), ["accepted", "dead_lettered", "dead_lettered", "accepted"]);
}

#[tokio::test]
async fn a_missing_table_is_an_outage() {
    let database = Sqlite::start().await;
    database.execute("drop table order_history".to_owned()).await;
    let mut store = database.store();
    let (_, transaction) = store.begin(&BatchLookup::default()).await.unwrap();

    let written = transaction.commit(&Changes::default()).await.map(drop);

    assert!(written.is_ok(), "nothing is written, so no table is missed: {written:?}");
    database.execute("drop table orders".to_owned()).await;
    let loaded = store.begin(&BatchLookup::of(&[place("1")])).await.map(drop);
    assert!(matches!(loaded, Err(StoreError::Unavailable(_))), "{loaded:?}");
}
