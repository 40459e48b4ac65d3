//! The environment of one run: its own exchanges, queues and database schema.

use std::process::Command;
use std::sync::PoisonError;
use std::time::Duration;

use lapin::options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use order_worker::adapters::postgres::PgDatabase;
use order_worker::adapters::rabbitmq::{RabbitMq, Topology};
use order_worker::messages::{Publication, PublishStatus};
use order_worker::service_layer::Publisher;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::Failure;
use crate::servers::Servers;

/// Unconfirmed messages when a backlog is published.
const WINDOW: usize = 1000;

#[derive(Debug)]
pub struct BenchEnv<'a> {
    pub servers: &'a Servers,
    name: String,
    pub broker: RabbitMq,
    pub database: PgDatabase,
    connection: Connection,
    channel: Channel,
}

impl<'a> BenchEnv<'a> {
    /// Creates tables, exchanges and queues as the worker does, and a durable quorum queue that
    /// subscribes to all events.
    async fn create(servers: &'a Servers, name: String) -> Result<Self, Failure> {
        servers.execute(&format!("create schema {name}")).await?;
        let database = PgDatabase::connect(&in_schema(&servers.database_url, &name)).await?;
        database.migrate().await?;
        let broker = RabbitMq::new(&servers.amqp_url, topology(&name), true)?;
        broker.prepare().await?;
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&servers.amqp_url, properties).await?;
        let channel = connection.create_channel().await?;
        let env = Self { servers, name, broker, database, connection, channel };
        env.declare_subscriber().await?;
        Ok(env)
    }

    async fn declare_subscriber(&self) -> Result<(), Failure> {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let queue = self.subscriber();
        self.channel.queue_declare(queue.as_str().into(), options, arguments).await?;
        let exchange = self.topology().events_exchange;
        self.channel
            .queue_bind(
                queue.as_str().into(),
                exchange.as_str().into(),
                "#".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(())
    }

    pub fn topology(&self) -> Topology {
        topology(&self.name)
    }

    /// The queue of the subscriber to all events.
    pub fn subscriber(&self) -> String {
        subscriber(&self.name)
    }

    /// The URL of the database, with this run's schema.
    pub fn database_url(&self) -> String {
        in_schema(&self.servers.database_url, &self.name)
    }

    /// Gives a program the settings of this environment, and none of this process's own.
    pub fn configure(&self, command: &mut Command) {
        let topology = self.topology();
        command.env_clear().envs([
            ("AMQP_URL", self.servers.amqp_url.clone()),
            ("DATABASE_URL", self.database_url()),
            ("COMMANDS_EXCHANGE", topology.commands_exchange),
            ("COMMANDS_QUEUE", topology.commands_queue),
            ("EVENTS_EXCHANGE", topology.events_exchange),
            ("DEAD_LETTER_EXCHANGE", topology.dead_letter_exchange),
            ("DEAD_LETTER_QUEUE", topology.dead_letter_queue),
        ]);
    }

    /// Publishes messages and waits until all are confirmed.
    pub async fn publish(&self, messages: &[Publication]) -> Result<(), Failure> {
        let mut publisher = self.broker.publisher();
        for window in messages.chunks(WINDOW) {
            let confirmations = publisher.publish(window).await?;
            if confirmations.iter().any(|confirmation| *confirmation != PublishStatus::Confirmed) {
                return Err("RabbitMQ did not confirm all commands of a backlog".into());
            }
        }
        self.broker.close().await;
        Ok(())
    }

    /// A new channel.
    pub async fn channel(&self) -> Result<Channel, Failure> {
        Ok(self.connection.create_channel().await?)
    }

    /// Ready messages in a queue, without the unacknowledged ones.
    pub async fn depth(&self, queue: &str) -> Result<usize, Failure> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let seen = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(seen.message_count() as usize)
    }

    /// A session in this run's schema.
    pub async fn session(&self) -> Result<PgConnection, Failure> {
        let mut session = self.servers.session().await?;
        let statement = format!("set search_path to {}", self.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut session).await?;
        Ok(session)
    }

    /// The single number that a query returns.
    pub async fn count(&self, query: &str) -> Result<i64, Failure> {
        let query = sqlx::query_scalar(AssertSqlSafe(query));
        Ok(query.fetch_one(&mut self.session().await?).await?)
    }

    pub async fn execute(&self, statements: &str) -> Result<(), Failure> {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.session().await?).await?;
        Ok(())
    }
}

/// Runs `work` in a new environment, which is removed afterwards, also on failure.
pub async fn with_bench_env<T>(
    servers: &Servers,
    work: impl AsyncFnOnce(&BenchEnv<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let name = format!("bench_{}", Uuid::now_v7().simple());
    servers.environments.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
    let done = match BenchEnv::create(servers, name.clone()).await {
        Ok(env) => work(&env).await,
        Err(failure) => Err(failure),
    };
    let removed = remove(servers, &name).await;
    let done = done?;
    removed.map(|()| done)
}

/// Removes what an interrupted run left behind.
pub async fn remove_all(servers: &Servers) -> Result<(), Failure> {
    let names = servers.environments.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for name in names {
        remove(servers, &name).await?;
    }
    Ok(())
}

async fn remove(servers: &Servers, name: &str) -> Result<(), Failure> {
    RabbitMq::new(&servers.amqp_url, topology(name), false)?.delete_topology().await?;
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(&servers.amqp_url, properties).await?;
    let channel = connection.create_channel().await?;
    let queue = subscriber(name);
    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    connection.close(200, "done".into()).await?;
    servers.execute(&format!("drop schema if exists {name} cascade")).await?;
    servers.environments.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    Ok(())
}

fn subscriber(name: &str) -> String {
    format!("{name}.subscriber")
}

/// The worker's default topology, with names of this run.
fn topology(name: &str) -> Topology {
    Topology {
        commands_exchange: format!("{name}.commands"),
        commands_queue: format!("{name}.commands"),
        events_exchange: format!("{name}.events"),
        dead_letter_exchange: format!("{name}.dead-letter"),
        dead_letter_queue: format!("{name}.dead-letter"),
        retry_delays: [1, 5, 25].map(Duration::from_secs).to_vec(),
        delivery_limit: 100,
        partitions: 1,
        ordered: true,
    }
}

fn in_schema(database_url: &str, schema: &str) -> String {
    let separator = if database_url.contains('?') { '&' } else { '?' };
    format!("{database_url}{separator}options[search_path]={schema}")
}
