//! Creates the adapters that the settings select. Entrypoints get their stores, brokers and clock from
//! here; except for the command line, they name no adapter.

mod broker;
mod database;
mod doctor;
mod event_subscription;

pub use broker::{Broker, topology};
pub use database::Database;
pub use doctor::doctor;
pub use event_subscription::{SubscriptionEvent, subscribe_to_events};

use std::sync::Arc;

pub use crate::adapters::SchemaMismatch;
use crate::adapters::clock::SystemClock;
use crate::adapters::rabbitmq::RabbitError;
use crate::config::{InvalidSetting, UrlFile};
use crate::service_layer::{Clock, ServerUrl, StoreError};

fn server_url(file: UrlFile) -> ServerUrl {
    ServerUrl::new(move || file.current().expose().to_owned())
}

/// Why a component cannot be created or used.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    #[error(transparent)]
    Database(#[from] StoreError),
    #[error("RabbitMQ: {0}")]
    Broker(#[from] RabbitError),
    #[error(transparent)]
    Schema(#[from] SchemaMismatch),
}

pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
