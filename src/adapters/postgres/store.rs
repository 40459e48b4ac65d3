//! The transaction of a batch, on the session of a lane.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::response::{RESPONSE_TIMEOUT, within};
use super::session::{OpenSession, Session};
use super::{load, numbers, write};
use crate::kill_points;
use crate::messages::{OutboxKey, OutboxRow};
use crate::service_layer::{BatchLookup, BatchState, Changes, Store, StoreError, StoreTransaction};

/// A lane's session.
#[derive(Debug)]
pub struct PgStore {
    session: Session,
}

/// An open transaction and its connection.
#[derive(Debug)]
pub struct PgTransaction<'a> {
    session: &'a mut Session,
    checked_out: OpenSession,
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
        let mut checked_out = self.session.check_out().await?;
        match begin(&mut checked_out.connection, needs).await {
            Ok(loaded) => {
                Ok((loaded, Box::new(PgTransaction { session: &mut self.session, checked_out })))
            }
            Err(error) => {
                if error.keeps_session() {
                    execute(&mut checked_out.connection, "rollback").await?;
                    self.session.check_in(checked_out);
                }
                Err(error)
            }
        }
    }

    async fn remove_published(&mut self, published: &[OutboxKey]) -> Result<(), StoreError> {
        let mut checked_out = self.session.check_out().await?;
        write::remove_published(&mut checked_out.connection, published).await?;
        self.session.check_in(checked_out);
        Ok(())
    }
}

async fn begin(
    connection: &mut PgConnection,
    needs: &BatchLookup,
) -> Result<BatchState, StoreError> {
    execute(connection, "begin").await?;
    let mut loaded = match load::load(connection, needs, needs.skip_locked).await {
        // The wait for a lock timed out: load again without waiting, to find the locked orders.
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
        match write::write(&mut self.checked_out.connection, changes).await {
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
        execute(&mut self.checked_out.connection, statement).await?;
        self.session.check_in(self.checked_out);
        Ok(())
    }
}

async fn execute(connection: &mut PgConnection, statement: &'static str) -> Result<(), StoreError> {
    within(RESPONSE_TIMEOUT, sqlx::raw_sql(statement).execute(connection)).await.map(drop)
}
