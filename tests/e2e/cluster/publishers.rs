//! Publishers that do not stop when a node does.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::nodes::Nodes;
use crate::amqp_client::place;
use crate::test_env::TestEnv;

/// Each with its own connection and orders: one that waits for a queue without a leader holds up no
/// other.
const PUBLISHERS: usize = 6;
const ORDERS_EACH: usize = 8;

/// Between the commands of a publisher. Those without the header take longer than the others: of
/// each order, one at a time is published again, to its partition.
const PACE: Duration = Duration::from_millis(120);

/// How long a publisher waits for a confirm before it connects to the next node and publishes the
/// command again.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// Publish the commands of their orders in turn, each after the confirm of the one before.
pub struct Publishers {
    stop: CancellationToken,
    tasks: JoinSet<Published>,
}

/// What was published and confirmed.
#[derive(Debug, Default)]
pub struct Published {
    /// The number of commands of each order.
    pub commands: BTreeMap<String, usize>,
    /// How often a command was published again because its confirm did not come.
    pub repeats: usize,
}

struct Publisher {
    urls: Vec<String>,
    exchange: String,
    order_ids: Vec<String>,
    /// Whether the commands have the header that selects their partition.
    has_header: bool,
    channel: Option<(Connection, Channel)>,
    published: Published,
}

impl Publishers {
    pub fn start(env: &TestEnv, nodes: &Nodes) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for number in 0..PUBLISHERS {
            let mut urls = nodes.urls().to_vec();
            urls.rotate_left(number % nodes.urls().len());
            let publisher = Publisher {
                urls,
                exchange: env.name_of("COMMANDS_EXCHANGE"),
                order_ids: (0..ORDERS_EACH).map(|order| format!("o-{number}-{order}")).collect(),
                has_header: number > 0,
                channel: None,
                published: Published::default(),
            };
            tasks.spawn(publisher.run(stop.clone()));
        }
        Self { stop, tasks }
    }

    /// Waits until each has the confirm of its last command.
    pub async fn stop(mut self) -> Published {
        self.stop.cancel();
        let mut all = Published::default();
        while let Some(published) = self.tasks.join_next().await {
            let mut published = published.unwrap();
            all.commands.append(&mut published.commands);
            all.repeats += published.repeats;
        }
        all
    }
}

impl Publisher {
    async fn run(mut self, stop: CancellationToken) -> Published {
        let mut pace = interval(PACE);
        for number in 0.. {
            for order_id in self.order_ids.clone() {
                if stop.is_cancelled() {
                    return self.published;
                }
                self.publish(&order_id, number).await;
                self.published.commands.insert(order_id, number + 1);
                pace.tick().await;
            }
        }
        self.published
    }

    /// Publishes a command until it is confirmed, under the same message id.
    async fn publish(&mut self, order_id: &str, number: usize) {
        while !matches!(
            timeout(CONFIRM_TIMEOUT, self.try_publish(order_id, number)).await,
            Ok(Ok(true))
        ) {
            self.channel = None;
            self.urls.rotate_left(1);
            self.published.repeats += 1;
            sleep(PACE).await;
        }
    }

    /// Whether the command is confirmed and was routed.
    async fn try_publish(&mut self, order_id: &str, number: usize) -> lapin::Result<bool> {
        let (routing_key, body) = if number == 0 {
            ("order.place", place(order_id))
        } else {
            let body = json!({"order_id": order_id, "status": status_name(number)});
            ("order.set_status", body.to_string())
        };
        // Ids sort in the order of publication.
        let message_id = format!("{order_id}-{number:06}");
        let mut properties =
            BasicProperties::default().with_message_id(message_id.into()).with_delivery_mode(2);
        if self.has_header {
            let mut headers = FieldTable::default();
            headers.insert("order-id".into(), AMQPValue::LongString(order_id.into()));
            properties = properties.with_headers(headers);
        }
        let exchange = self.exchange.as_str().into();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let channel = self.channel().await?;
        let sent = channel.basic_publish(
            exchange,
            routing_key.into(),
            options,
            body.as_bytes(),
            properties,
        );
        let confirmation = sent.await?.await?;
        Ok(confirmation.is_ack() && confirmation.take_message().is_none())
    }

    async fn channel(&mut self) -> lapin::Result<&Channel> {
        if self.channel.is_none() {
            let properties = ConnectionProperties::default();
            let connection = Connection::connect(&self.urls[0], properties).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            self.channel = Some((connection, channel));
        }
        Ok(self.channel.as_ref().map(|(_, channel)| channel).unwrap())
    }
}

/// The status that a command sets: another one than the command before.
fn status_name(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "Received" } else { "Shipping" }
}

/// The status of an order after this many commands, as the database has it.
pub fn status_after(commands: usize) -> u8 {
    if commands % 2 == 1 { 1 } else { 4 }
}
