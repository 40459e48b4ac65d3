//! The contracts on PostgreSQL, in a separate schema for each test.

mod faults;
mod servers;

use order_worker::adapters::SchemaVersion;
use order_worker::adapters::postgres::{
    PgBacklogProbe, PgDatabase, PgDeadLetters, PgPiiAccessLog, PgQueries, PgRelayStore, PgStore,
};
use order_worker::service_layer::StoreError;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::dead_letter_contract::{WithDeadLetters, dead_letter_contract};
use crate::pii_access_contract::{WithPiiAccessLog, pii_access_contract};
use crate::schema_contract::{WithSchema, schema_contract};
use crate::store_contract::{TestDatabase, store_contract};

struct Postgres {
    database: PgDatabase,
    schema: String,
}

impl TestDatabase for Postgres {
    type Store = PgStore;
    type Queries = PgQueries;
    type Relay = PgRelayStore;
    type Backlog = PgBacklogProbe;

    async fn start() -> Self {
        let schema = format!("test_{}", Uuid::now_v7().simple());
        execute(format!("create schema {schema}")).await;
        let separator = if server().contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}options[search_path]={schema}", server());
        let database = PgDatabase::connect(&url).await.unwrap();
        assert_eq!(database.schema_version().await.unwrap().applied, None);
        let version = database.migrate().await.unwrap();
        assert_eq!(version.applied, Some(version.known));
        Self { database, schema }
    }

    fn store(&self) -> PgStore {
        self.database.store()
    }

    fn queries(&self) -> PgQueries {
        self.database.queries()
    }

    fn relay(&self) -> PgRelayStore {
        self.database.relay()
    }

    fn backlog_probe(&self) -> PgBacklogProbe {
        self.database.backlog_probe()
    }

    async fn poison(&self, order_id: &str) {
        let schema = &self.schema;
        execute(format!(
            "create function {schema}.refuse() returns trigger language plpgsql as
             $$ begin raise exception 'poisoned' using errcode = '23514'; end $$;
             create trigger poison before insert on {schema}.orders for each row
             when (new.order_id = '{order_id}') execute function {schema}.refuse()"
        ))
        .await;
    }

    async fn garble_outbox(&self, order_id: &str) {
        let schema = &self.schema;
        execute(format!("update {schema}.outbox set kind = 99 where order_id = '{order_id}'"))
            .await;
    }

    async fn finish(self) {
        execute(format!("drop schema {} cascade", self.schema)).await;
    }
}

impl WithPiiAccessLog for Postgres {
    type PiiAccessLog = PgPiiAccessLog;

    fn pii_access_log(&self) -> PgPiiAccessLog {
        self.database.pii_access_log()
    }
}

impl WithSchema for Postgres {
    async fn schema_version(&self) -> SchemaVersion {
        self.database.schema_version().await.unwrap()
    }

    async fn migrate(&self) -> Result<SchemaVersion, StoreError> {
        self.database.migrate().await
    }

    async fn execute_in_schema(&self, statements: &str) {
        execute(format!("set search_path to {}; {statements}", self.schema)).await;
    }
}

impl WithDeadLetters for Postgres {
    type DeadLetters = PgDeadLetters;

    fn dead_letters(&self) -> PgDeadLetters {
        self.database.dead_letters()
    }

    async fn refuse_actions(&self) {
        execute(format!("drop table {}.dead_letter_actions", self.schema)).await;
    }
}

async fn execute(statements: String) {
    let mut connection = PgConnection::connect(&server()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the server for tests is not a setting")]
fn server() -> String {
    std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run `make test`")
}

store_contract!(Postgres, #[ignore = "needs PostgreSQL: make test"]);

mod pii_access {
    super::pii_access_contract!(super::Postgres, #[ignore = "needs PostgreSQL: make test"]);
}

mod schema {
    super::schema_contract!(super::Postgres, #[ignore = "needs PostgreSQL: make test"]);
}

mod dead_letters {
    super::dead_letter_contract!(super::Postgres, #[ignore = "needs PostgreSQL: make test"]);
}
