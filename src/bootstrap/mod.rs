//! Creates and connects the components: the only module that uses both the service layer and the
//! adapters.

mod broker;
mod database;
mod worker;

pub use broker::{Broker, topology};
pub use database::Database;
pub use worker::Worker;

use crate::adapters::rabbitmq::RabbitError;
use crate::config::{InvalidSetting, UrlFile};
use crate::entrypoints::amqp::LaneDied;
use crate::service_layer::{ServerUrl, StoreError};

fn server_url(file: UrlFile) -> ServerUrl {
    ServerUrl::new(move || file.current().expose().to_owned())
}

/// Why the worker cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    #[error(transparent)]
    Database(#[from] StoreError),
    #[error("RabbitMQ: {0}")]
    Broker(#[from] RabbitError),
    #[error("the database has not the tables of this program: run `order-worker migrate`")]
    NotMigrated,
    #[error(transparent)]
    LaneDied(#[from] LaneDied),
}
