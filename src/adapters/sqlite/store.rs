//! Transactions over a batch.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::writer::{Turn, Writer};
use super::{load, numbers, outbox, write};
use crate::service_layer::{
    BatchLookup, BatchState, Changes, OutboxKey, OutboxRow, Store, StoreError, StoreTransaction,
};

/// One lane's session with SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
}

/// An open transaction, which has the connection that writes.
#[derive(Debug)]
pub struct SqliteTransaction {
    turn: Turn,
}

impl SqliteStore {
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(
        &mut self,
        needs: &BatchLookup,
    ) -> Result<(BatchState, Box<dyn StoreTransaction + '_>), StoreError> {
        let mut turn = self.writer.turn().await?;
        // Locks the file at once: a lock that is taken later can fail.
        turn.execute("begin immediate").await?;
        match load(&mut turn.connection, needs).await {
            Ok(loaded) => Ok((loaded, Box::new(SqliteTransaction { turn }))),
            Err(error) => {
                if error.keeps_session() {
                    SqliteTransaction { turn }.end("rollback").await?;
                }
                Err(error)
            }
        }
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let mut turn = self.writer.turn().await?;
        outbox::remove(&mut turn.connection, published).await?;
        turn.end();
        Ok(())
    }
}

async fn load(
    connection: &mut SqliteConnection,
    needs: &BatchLookup,
) -> Result<BatchState, StoreError> {
    let mut loaded = load::load(connection, needs).await?;
    loaded.numbers = numbers::unused(connection, needs).await?;
    Ok(loaded)
}

#[async_trait]
impl StoreTransaction for SqliteTransaction {
    async fn commit(mut self: Box<Self>, changes: &Changes) -> Result<Vec<OutboxRow>, StoreError> {
        match write::write(&mut self.turn.connection, changes).await {
            Ok(earlier) => {
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

impl SqliteTransaction {
    async fn end(mut self, statement: &'static str) -> Result<(), StoreError> {
        self.turn.execute(statement).await?;
        self.turn.end();
        Ok(())
    }
}
