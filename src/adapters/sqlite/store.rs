//! The transaction of a batch, on the shared writer.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::writer::{Writer, WriterGuard};
use super::{load, numbers, outbox, write};
use crate::messages::{OutboxKey, OutboxRow};
use crate::service_layer::{BatchLookup, BatchState, Changes, Store, StoreError, StoreTransaction};

/// The store of one lane.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
}

/// An open transaction, which holds the writer.
#[derive(Debug)]
pub struct SqliteTransaction {
    writer: WriterGuard,
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
        let mut writer = self.writer.acquire().await?;
        // Takes the write lock at once: upgrading a read transaction later can fail.
        writer.execute("begin immediate").await?;
        match load(&mut writer.connection, needs).await {
            Ok(loaded) => Ok((loaded, Box::new(SqliteTransaction { writer }))),
            Err(error) => {
                if error.keeps_session() {
                    SqliteTransaction { writer }.end("rollback").await?;
                }
                Err(error)
            }
        }
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let mut writer = self.writer.acquire().await?;
        outbox::remove(&mut writer.connection, published).await?;
        writer.release();
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
        match write::write(&mut self.writer.connection, changes).await {
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
        self.writer.execute(statement).await?;
        self.writer.release();
        Ok(())
    }
}
