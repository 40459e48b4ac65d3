//! Looks at database and broker now and then, for the metrics.

use tokio_util::sync::CancellationToken;

use super::{Broker, Database};
use crate::metrics::Metrics;
use crate::service_layer::{sample_backlog, sample_queues};

impl Broker {
    /// Notes what waits in the queues, until `stop` is cancelled.
    pub async fn sample(self, metrics: Metrics, stop: CancellationToken) {
        match self {
            Self::RabbitMq(rabbitmq) => {
                sample_queues(rabbitmq.depths(), metrics, stop).await.close().await;
            }
            Self::InProcess(broker) => drop(sample_queues(broker, metrics, stop).await),
        }
    }
}

impl Database {
    /// Notes what waits in the tables, until `stop` is cancelled.
    pub async fn sample(self, metrics: Metrics, stop: CancellationToken) {
        match self {
            Self::Postgres(database) => {
                sample_backlog(database.backlog_probe(), metrics, stop).await;
            }
            Self::Sqlite(database) => sample_backlog(database.backlog_probe(), metrics, stop).await,
        }
    }
}
