//! Stores dead letters in either database, with the same SQL statements.
//!
//! A database implements [`DeadLetterDatabase`], the part that differs; the port `DeadLetterStore`
//! is implemented for every such database.

mod collect;
mod rows;
mod sql;
mod statement;
mod store;

use std::future::Future;

use chrono::{DateTime, Utc};

pub use statement::{Statement, Value};

use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{Pruned, Retention};

/// A database with the tables of dead letters.
pub trait DeadLetterDatabase: Send + Sync {
    type Row: Columns;
    type Transaction: DeadLetterTransaction<Row = Self::Row>;

    /// Runs a query outside of any transaction.
    fn read(
        &self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;

    /// Begins a read-write transaction.
    fn begin(&self) -> impl Future<Output = Result<Self::Transaction, StoreError>> + Send;

    /// See [`DeadLetterStore::prune`](crate::service_layer::dead_letters::DeadLetterStore::prune).
    fn prune_rows(
        &self,
        retention: &Retention,
        limit: u32,
    ) -> impl Future<Output = Result<Pruned, StoreError>> + Send;
}

/// An open transaction. Dropping it rolls it back.
pub trait DeadLetterTransaction: Send {
    type Row: Columns;

    /// Runs a statement that returns rows.
    fn rows(
        &mut self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;

    /// Executes a statement; returns the number of affected rows.
    fn execute(
        &mut self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A row, read by column name; null is `None`.
pub trait Columns: Send + Sync {
    fn text(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError>;
    fn int(&self, column: &str) -> Result<Option<i64>, StoreError>;
    fn timestamp(&self, column: &str) -> Result<Option<DateTime<Utc>>, StoreError>;
}
