//! The dead letters of both databases: the same statements, and what a database does in its own way.
//!
//! Each database implements [`DeadLetterDatabase`]; the port comes with it.

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

    /// The rows that a statement finds, outside of any transaction.
    fn read(
        &self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;

    /// Begins a transaction that writes.
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

    /// The rows that a statement finds or returns.
    fn rows(
        &mut self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;

    /// Returns how many rows were affected.
    fn execute(
        &mut self,
        statement: Statement<'_>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A row, read by the names of its columns; null is none.
pub trait Columns: Send + Sync {
    fn text(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError>;
    fn int(&self, column: &str) -> Result<Option<i64>, StoreError>;
    fn moment(&self, column: &str) -> Result<Option<DateTime<Utc>>, StoreError>;
}
