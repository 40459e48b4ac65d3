//! A place on the servers for one run: exchanges, queues and a schema that nobody else uses.

use std::process::Command;
use std::sync::PoisonError;
use std::time::Duration;

use lapin::options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use order_worker::adapters::postgres::PgDatabase;
use order_worker::adapters::rabbitmq::{RabbitMq, Topology};
use order_worker::service_layer::{Publication, PublishStatus, Publisher};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::Failure;
use crate::servers::Servers;

/// Messages that wait for their confirms together when a backlog is published.
const WINDOW: usize = 1000;

#[derive(Debug)]
pub struct Site<'a> {
    pub servers: &'a Servers,
    name: String,
    pub broker: RabbitMq,
    pub database: PgDatabase,
    connection: Connection,
    channel: Channel,
}

impl<'a> Site<'a> {
    /// Tables, exchanges and queues as the worker makes them, and a durable quorum queue of a
    /// subscriber to all events.
    async fn on(servers: &'a Servers, name: String) -> Result<Self, Failure> {
        servers.execute(&format!("create schema {name}")).await?;
        let database = PgDatabase::connect(&in_schema(&servers.database_url, &name)).await?;
        database.migrate().await?;
        let broker = RabbitMq::new(&servers.amqp_url, topology(&name), true)?;
        broker.prepare().await?;
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&servers.amqp_url, properties).await?;
        let channel = connection.create_channel().await?;
        let site = Self { servers, name, broker, database, connection, channel };
        site.declare_subscriber().await?;
        Ok(site)
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

    /// The queue that gets all events.
    pub fn subscriber(&self) -> String {
        subscriber(&self.name)
    }

    /// The address of the database, with this run's tables.
    pub fn database_url(&self) -> String {
        in_schema(&self.servers.database_url, &self.name)
    }

    /// Gives a program the settings of this site, and nothing else of this process's settings.
    pub fn set_up(&self, command: &mut Command) {
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
                return Err("RabbitMQ did not take all commands of a backlog".into());
            }
        }
        self.broker.close().await;
        Ok(())
    }

    /// A channel for what only one run does.
    pub async fn channel(&self) -> Result<Channel, Failure> {
        Ok(self.connection.create_channel().await?)
    }

    /// How many messages wait in a queue, those in the hands of consumers not counted.
    pub async fn depth(&self, queue: &str) -> Result<usize, Failure> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let seen = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(seen.message_count() as usize)
    }

    /// A session with this run's tables.
    pub async fn session(&self) -> Result<PgConnection, Failure> {
        let mut session = self.servers.session().await?;
        let statement = format!("set search_path to {}", self.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut session).await?;
        Ok(session)
    }

    /// What a query answers: one number.
    pub async fn count(&self, query: &str) -> Result<i64, Failure> {
        let query = sqlx::query_scalar(AssertSqlSafe(query));
        Ok(query.fetch_one(&mut self.session().await?).await?)
    }

    pub async fn execute(&self, statements: &str) -> Result<(), Failure> {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.session().await?).await?;
        Ok(())
    }
}

/// Does something on a site of its own, which is removed whatever comes of it.
pub async fn on_a_site<T>(
    servers: &Servers,
    work: impl AsyncFnOnce(&Site<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let name = format!("bench_{}", Uuid::now_v7().simple());
    servers.sites.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
    let done = match Site::on(servers, name.clone()).await {
        Ok(site) => work(&site).await,
        Err(failure) => Err(failure),
    };
    let removed = remove(servers, &name).await;
    let done = done?;
    removed.map(|()| done)
}

/// Removes what is left of a run that was stopped midway.
pub async fn remove_all(servers: &Servers) -> Result<(), Failure> {
    let names = servers.sites.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
    servers.sites.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    Ok(())
}

fn subscriber(name: &str) -> String {
    format!("{name}.subscriber")
}

/// The names that the worker uses by default, and its retries, in a space of their own.
fn topology(name: &str) -> Topology {
    Topology {
        commands_exchange: format!("{name}.commands"),
        commands_queue: format!("{name}.commands"),
        events_exchange: format!("{name}.events"),
        dead_letter_exchange: format!("{name}.dead-letter"),
        dead_letter_queue: format!("{name}.dead-letter"),
        retry_delays: [1, 5, 25].map(Duration::from_secs).to_vec(),
        delivery_limit: 100,
    }
}

fn in_schema(database_url: &str, schema: &str) -> String {
    let separator = if database_url.contains('?') { '&' } else { '?' };
    format!("{database_url}{separator}options[search_path]={schema}")
}
