//! Facts about the database file, for the [doctor](crate::service_layer::doctor).

use chrono::TimeDelta;

use super::SqliteDatabase;
use super::errors::store_error;
use crate::service_layer::StoreError;
use crate::service_layer::doctor::ServerFacts;

impl SqliteDatabase {
    /// # Errors
    /// When the file cannot be read.
    pub async fn server_facts(&self) -> Result<ServerFacts, StoreError> {
        let version = sqlx::query_scalar("select sqlite_version()").fetch_one(&self.readers).await;
        let version: String = version.map_err(|error| store_error(&error))?;
        Ok(ServerFacts {
            version: format!("SQLite {version}"),
            is_supported: true,
            read_only: None,
            clock_offset: TimeDelta::zero(),
            missing_privileges: Vec::new(),
            relay: None,
            has_relay_lock: false,
        })
    }
}
