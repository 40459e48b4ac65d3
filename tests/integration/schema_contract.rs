//! What every database must do after a newer program has migrated it.

use order_worker::adapters::SchemaVersion;
use order_worker::service_layer::StoreError;

use crate::store_contract::TestDatabase;

/// A database whose tables can be migrated.
pub trait WithSchema: TestDatabase {
    async fn schema_version(&self) -> SchemaVersion;

    async fn migrate(&self) -> Result<SchemaVersion, StoreError>;

    /// Executes statements in the schema of the test.
    async fn execute_in_schema(&self, statements: &str);
}

/// Makes a test of each claim, for one kind of database.
macro_rules! schema_contract {
    ($database:ty $(, #[$attribute:meta])*) => {
        $crate::store_contract::claims! { schema_contract, $database, [$(#[$attribute])*],
            claims::a_database_that_a_newer_program_has_migrated_is_used_and_not_changed,
            claims::orders_are_placed_in_tables_that_a_newer_program_has_added_to,
            claims::a_database_that_needs_a_newer_program_is_refused_and_not_changed,
            claims::migrations_by_newer_and_older_programs_at_the_same_time_succeed,
        }
    };
}

pub(crate) use schema_contract;

pub mod claims {
    use order_worker::adapters::SchemaMismatch;
    use order_worker::service_layer::StoreError;

    use super::WithSchema;
    use crate::store_contract::{order, outcomes, words};
    use crate::support::messages::place;

    /// What the next version of the program would do: additions, and the record of them.
    const NEWER_MIGRATION: &str = "
        create table vouchers (code text primary key);
        alter table orders add column voucher text;
        alter table outbox add column priority integer not null default 0;
        insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        select 9001, 'vouchers', success, checksum, 0 from _sqlx_migrations where version = 1";

    const NEEDS_IT: &str = "insert into schema_compatibility (minimum_version) values (9001)";

    pub async fn a_database_that_a_newer_program_has_migrated_is_used_and_not_changed<
        D: WithSchema,
    >(
        database: &D,
    ) {
        database.execute_in_schema(NEWER_MIGRATION).await;

        let version = database.schema_version().await;

        assert_eq!((version.applied, version.minimum), (Some(9001), 1));
        assert!(version.is_newer());
        assert_eq!(version.ensure_usable(), Ok(()));
        assert_eq!(database.migrate().await.unwrap(), version);
        assert_eq!(database.schema_version().await, version);
    }

    pub async fn orders_are_placed_in_tables_that_a_newer_program_has_added_to<D: WithSchema>(
        database: &D,
    ) {
        outcomes(database, &[place("14")]).await;

        database.execute_in_schema(NEWER_MIGRATION).await;

        assert_eq!(words(&outcomes(database, &[place("15")]).await), ["accepted"]);
        assert_eq!(order(database, "14").await.version(), 1);
        assert_eq!(order(database, "15").await.version(), 1);
    }

    pub async fn a_database_that_needs_a_newer_program_is_refused_and_not_changed<D: WithSchema>(
        database: &D,
    ) {
        database.execute_in_schema(NEWER_MIGRATION).await;
        database.execute_in_schema(NEEDS_IT).await;
        let version = database.schema_version().await;

        let refused = database.migrate().await.unwrap_err();

        let mismatch = version.ensure_usable().unwrap_err();
        assert!(matches!(mismatch, SchemaMismatch::TooNew { minimum: 9001, .. }), "{mismatch}");
        let StoreError::Unusable(text) = refused else { panic!("{refused}") };
        assert_eq!(text, mismatch.to_string());
        assert_eq!(database.schema_version().await, version);
    }

    pub async fn migrations_by_newer_and_older_programs_at_the_same_time_succeed<D: WithSchema>(
        database: &D,
    ) {
        let older = async { database.migrate().await.unwrap() };

        let ((), migrated) = tokio::join!(database.execute_in_schema(NEWER_MIGRATION), older);

        assert!([Some(migrated.known), Some(9001)].contains(&migrated.applied), "{migrated:?}");
        assert_eq!(database.schema_version().await.applied, Some(9001));
    }
}
