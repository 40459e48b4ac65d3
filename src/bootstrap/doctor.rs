//! The doctor of the servers that the settings name.

use async_trait::async_trait;

use super::{Broker, Database, Failure};
use crate::adapters::sqlite::SqliteDatabase;
use crate::config::{DatabaseUrl, Settings};
use crate::service_layer::doctor::{BrokerProbe, DatabaseFacts, DatabaseProbe, Doctor, Expected};

/// Examines the servers that the settings name, on connections of its own.
///
/// # Errors
/// When the settings are wrong.
pub fn doctor(settings: &Settings) -> Result<Doctor, Failure> {
    let broker_url = settings.broker_url()?;
    let (DatabaseUrl::Postgres(database_url) | DatabaseUrl::Sqlite(database_url)) =
        settings.database()?;
    let expected = Expected {
        broker_address: broker_url.as_ref().map(ToString::to_string).unwrap_or_default(),
        database_address: database_url.to_string(),
        partitions: settings.partitions,
        declares_topology: settings.declare_topology,
        collects_dead_letters: settings.collect_dead_letters,
        migrates: settings.migrate,
    };
    let broker = match Broker::of(settings)? {
        Broker::RabbitMq(rabbitmq) => {
            let probe = rabbitmq.probe(settings.collect_dead_letters);
            Some(Box::new(probe) as Box<dyn BrokerProbe>)
        }
        Broker::InProcess(_) => None,
    };
    Ok(Doctor { broker, database: Box::new(SettingsDatabase(settings.clone())), expected })
}

/// The database that the settings name.
#[derive(Debug)]
struct SettingsDatabase(Settings);

#[async_trait]
impl DatabaseProbe for SettingsDatabase {
    async fn facts(&self) -> Result<DatabaseFacts, String> {
        if let Ok(DatabaseUrl::Sqlite(url)) = self.0.database()
            && !SqliteDatabase::exists(url.expose())
        {
            return Err("the file does not exist; `order-worker migrate` creates it".to_owned());
        }
        let database = Database::open(&self.0).await.map_err(|failure| failure.to_string())?;
        let (server, schema) = tokio::join!(database.server_facts(), database.ensure_migrated());
        let schema = schema.map(drop).map_err(|failure| failure.to_string());
        let backlog = match &schema {
            Ok(()) => database.backlog_probe().backlog().await.map_err(|error| error.to_string()),
            Err(reason) => Err(reason.clone()),
        };
        Ok(DatabaseFacts { server: server.map_err(|error| error.to_string()), schema, backlog })
    }
}
