//! Transactions over a batch.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::session::{ANSWER_TIMEOUT, Session, Taken, within};
use super::{load, numbers, write};
use crate::kill_points;
use crate::service_layer::{
    BatchLookup, BatchState, Changes, OutboxKey, OutboxRow, Store, StoreError, StoreTransaction,
};

/// One lane's session with PostgreSQL.
#[derive(Debug)]
pub struct PgStore {
    session: Session,
}

/// An open transaction and the connection it is on.
#[derive(Debug)]
pub struct PgTransaction<'a> {
    session: &'a mut Session,
    taken: Taken,
}

impl PgStore {
    pub(super) fn new(session: Session) -> Self {
        Self { session }
    }
}

#[async_trait]
impl Store for PgStore {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        let mut taken = self.session.take().await?;
        match begin(&mut taken.connection, needs).await {
            Ok(loaded) => {
                Ok((loaded, Box::new(PgTransaction { session: &mut self.session, taken })))
            }
            Err(error) => {
                if error.keeps_session() {
                    execute(&mut taken.connection, "rollback").await?;
                    self.session.give_back(taken);
                }
                Err(error)
            }
        }
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let mut taken = self.session.take().await?;
        write::remove_published(&mut taken.connection, published).await?;
        self.session.give_back(taken);
        Ok(())
    }
}

async fn begin(
    connection: &mut PgConnection,
    needs: &BatchLookup,
) -> Result<BatchState, StoreError> {
    execute(connection, "begin").await?;
    let mut loaded = match load::load(connection, needs, needs.skip_locked).await {
        // A lock was not to be had: once more, to see whose it is, or that it is gone.
        Err(StoreError::Locked(unknown)) if unknown.is_empty() => {
            execute(connection, "rollback").await?;
            execute(connection, "begin").await?;
            load::load(connection, needs, true).await?
        }
        loaded => loaded?,
    };
    loaded.numbers = numbers::unused(connection, needs).await?;
    Ok(loaded)
}

#[async_trait]
impl StoreTransaction for PgTransaction<'_> {
    async fn commit(mut self: Box<Self>, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        match write::write(&mut self.taken.connection, changes).await {
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

    async fn rollback(self: Box<Self>) -> Result<(), StoreError> {
        self.end("rollback").await
    }
}

impl PgTransaction<'_> {
    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        execute(&mut self.taken.connection, statement).await?;
        self.session.give_back(self.taken);
        Ok(())
    }
}

async fn execute(connection: &mut PgConnection, statement: &'static str) -> Result<(), StoreError> {
    within(ANSWER_TIMEOUT, sqlx::raw_sql(statement).execute(connection)).await.map(drop)
}
