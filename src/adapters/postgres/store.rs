//! Transactions over a batch.

use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use super::connection::{ANSWER_TIMEOUT, connect, within};
use super::{load, numbers, write};
use crate::kill_points;
use crate::service_layer::{
    Changes, Loaded, Needs, OutboxKey, Outgoing, Store, StoreError, StoreTransaction,
};

/// One lane's session with PostgreSQL.
#[derive(Debug)]
pub struct PgStore {
    options: PgConnectOptions,
    /// Empty while a transaction has the connection. It comes back only after a clean end, so a
    /// transaction that is dropped midway takes its connection along and the server rolls back.
    connection: Option<PgConnection>,
}

/// An open transaction and the connection it is on.
#[derive(Debug)]
pub struct PgTransaction<'a> {
    home: &'a mut Option<PgConnection>,
    connection: PgConnection,
}

impl PgStore {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None }
    }

    async fn take_connection(&mut self) -> Result<PgConnection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect(&self.options).await,
        }
    }
}

impl Store for PgStore {
    type Transaction<'a> = PgTransaction<'a>;

    async fn begin(&mut self, needs: &Needs) -> Result<(Loaded, PgTransaction<'_>), StoreError> {
        let mut connection = self.take_connection().await?;
        execute(&mut connection, "begin").await?;
        let mut loaded = load::load(&mut connection, needs).await?;
        loaded.numbers = numbers::unused(&mut connection, needs).await?;
        Ok((loaded, PgTransaction { home: &mut self.connection, connection }))
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let mut connection = self.take_connection().await?;
        write::remove_published(&mut connection, published).await?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl StoreTransaction for PgTransaction<'_> {
    async fn commit(mut self, changes: &Changes) -> Result<Vec<Outgoing>, StoreError> {
        match write::write(&mut self.connection, changes).await {
            Ok(earlier) => {
                kill_points::reached("written");
                self.end("commit").await?;
                Ok(earlier)
            }
            Err(error) if error.keeps_session() => {
                self.end("rollback").await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn rollback(self) -> Result<(), StoreError> {
        self.end("rollback").await
    }
}

impl PgTransaction<'_> {
    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        execute(&mut self.connection, statement).await?;
        *self.home = Some(self.connection);
        Ok(())
    }
}

async fn execute(connection: &mut PgConnection, statement: &'static str) -> Result<(), StoreError> {
    within(ANSWER_TIMEOUT, sqlx::raw_sql(statement).execute(connection)).await.map(drop)
}
