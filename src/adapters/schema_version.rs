//! Compares the schema version of a database with that of this program.

use sqlx::migrate::Migrator;

use crate::service_layer::StoreError;

/// Which migrations were applied to a database, and which of them this program knows. A schema version
/// is the number of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The last applied one; `None` if there are no tables.
    pub applied: Option<i64>,
    /// The one that a program must know to use the tables.
    pub minimum: i64,
    /// The last one of this program.
    pub known: i64,
}

/// Why a program cannot use the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaMismatch {
    #[error("the database has no tables: run `order-worker migrate`")]
    Missing,
    #[error(
        "the database has schema version {applied}, this program needs version {known}: \
         run `order-worker migrate`"
    )]
    Outdated { applied: i64, known: i64 },
    #[error(
        "the database has schema version {applied}, which only programs from version {minimum} on \
         can use; this program knows version {known}: use a newer order-worker, or restore a \
         backup from before the migration"
    )]
    TooNew { applied: i64, minimum: i64, known: i64 },
}

impl SchemaVersion {
    /// Whether a newer program has migrated the database.
    pub fn is_newer(self) -> bool {
        self.applied > Some(self.known)
    }

    /// # Errors
    /// When the tables are missing, or this program is too new or too old for them.
    pub fn ensure_usable(self) -> Result<(), SchemaMismatch> {
        self.ensure_not_too_new()?;
        match self.applied {
            None => Err(SchemaMismatch::Missing),
            Some(applied) if applied < self.known => {
                Err(SchemaMismatch::Outdated { applied, known: self.known })
            }
            Some(_) => Ok(()),
        }
    }

    /// The same, where older tables are about to be migrated.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when this program is too old for the tables.
    pub(super) fn ensure_migratable(self) -> Result<Self, StoreError> {
        match self.ensure_not_too_new() {
            Ok(()) => Ok(self),
            Err(mismatch) => Err(StoreError::Unusable(mismatch.to_string())),
        }
    }

    fn ensure_not_too_new(self) -> Result<(), SchemaMismatch> {
        let Self { applied: Some(applied), minimum, known } = self else { return Ok(()) };
        if minimum <= known {
            return Ok(());
        }
        Err(SchemaMismatch::TooNew { applied, minimum, known })
    }
}

/// Makes migrations that only a newer program knows no error.
pub(super) fn beside_newer_programs(mut migrations: Migrator) -> Migrator {
    migrations.set_ignore_missing(true);
    migrations
}

pub(super) fn last_of(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(applied: Option<i64>, minimum: i64, known: i64) -> Result<(), SchemaMismatch> {
        SchemaVersion { applied, minimum, known }.ensure_usable()
    }

    #[test]
    fn a_program_can_use_its_own_tables_and_newer_ones_that_allow_it() {
        assert_eq!(usable(Some(5), 1, 5), Ok(()));
        assert_eq!(usable(Some(7), 1, 5), Ok(()));
        assert_eq!(usable(Some(7), 5, 5), Ok(()));
        assert!(!SchemaVersion { applied: Some(5), minimum: 1, known: 5 }.is_newer());
        assert!(SchemaVersion { applied: Some(6), minimum: 1, known: 5 }.is_newer());
    }

    #[test]
    fn a_program_cannot_use_missing_and_older_tables() {
        assert_eq!(usable(None, 0, 5), Err(SchemaMismatch::Missing));
        assert_eq!(usable(Some(4), 1, 5), Err(SchemaMismatch::Outdated { applied: 4, known: 5 }));
        let older = SchemaVersion { applied: Some(4), minimum: 1, known: 5 };
        assert_eq!(older.ensure_not_too_new(), Ok(()));
    }

    #[test]
    fn tables_that_need_a_newer_program_name_both_versions() {
        let mismatch = usable(Some(9), 8, 5).unwrap_err();

        assert_eq!(mismatch, SchemaMismatch::TooNew { applied: 9, minimum: 8, known: 5 });
        let text = mismatch.to_string();
        assert!(
            ["version 9", "version 8", "version 5"].iter().all(|it| text.contains(it)),
            "{text}"
        );
    }
}
