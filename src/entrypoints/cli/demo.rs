//! `demo`: a worker on example commands, with queues and a database of its own.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::CommandFailed;
use super::ndjson::{EXAMPLES, parse_line};
use super::output::{print_line, printable, table};
use super::watch;
use crate::adapters::in_process::Submitted;
use crate::adapters::rabbitmq::Subscription;
use crate::bootstrap::{Broker, Database};
use crate::config::{DatabaseUrl, SecretUrl, Settings};
use crate::domain::CommandKind;
use crate::entrypoints::Worker;
use crate::messages::wire::CommandOutcomeBody;
use crate::messages::{Envelope, Publication, PublishStatus, Target};
use crate::service_layer::{Health, OrderQuery, Page, Publisher, decode};

/// The database file without PostgreSQL, and the schema with it.
const FILE: &str = "order-worker-demo.db";
const SCHEMA: &str = "order_worker_demo";

/// The reply queue on the in-process broker.
const REPLY_QUEUE: &str = "demo.replies";

/// Maximum wait for the next event or reply.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two polls of the number of dead letters.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub struct Demo {
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    published: usize,
    accepted: usize,
    duplicates: usize,
    rejected: usize,
    dead_letters: usize,
    status_changes: usize,
    rejections: usize,
}

/// A command that was sent.
struct Sent {
    /// None when the message does not say which command it is.
    kind: Option<CommandKind>,
    message_id: Option<String>,
}

/// A running demo.
struct Session {
    json: bool,
    broker: Broker,
    inbox: Inbox,
    counts: Counts,
}

/// The queue of a subscriber who also sends the commands: it gets the events and the replies.
enum Inbox {
    InProcess {
        events: mpsc::UnboundedReceiver<Publication>,
        replies: mpsc::UnboundedReceiver<Publication>,
    },
    RabbitMq(Box<Subscription>),
}

/// A message in that queue.
enum InboxMessage {
    Event(Value),
    Reply(Reply),
}

/// See the schema `CommandOutcome`.
#[derive(Debug, Deserialize)]
struct Reply {
    outcome: String,
    order_id: Option<String>,
    code: Option<String>,
    detail: Option<String>,
}

impl Demo {
    pub async fn run(self, mut settings: Settings) -> Result<(), CommandFailed> {
        use_separate_topology(&mut settings);
        // Dead letters are counted in their queue.
        settings.collect_dead_letters = false;
        let database = fresh_database(&mut settings).await?;
        let broker = Broker::of(&settings)?;
        let inbox = Inbox::of(&broker).await?;
        let stop = CancellationToken::new();
        let worker = Worker { settings, database, broker, health: Health::default() };
        let (database, broker) = (worker.database.clone(), worker.broker.clone());
        self.print_intro(&worker)?;
        let stopped = stop.clone();
        let working = tokio::spawn(async move { worker.run(None, stopped).await });
        let mut session = Session { json: self.json, broker, inbox, counts: Counts::default() };
        let finished = session.run(&database).await;
        stop.cancel();
        let worked = working.await.map_err(std::io::Error::other)?;
        if let Broker::RabbitMq(rabbitmq) = &session.broker {
            rabbitmq.delete_topology().await?;
        }
        worked?;
        finished
    }

    fn print_intro(&self, worker: &Worker) -> Result<(), CommandFailed> {
        if self.json {
            return Ok(());
        }
        let broker = match &worker.broker {
            Broker::RabbitMq(_) => "RabbitMQ, with exchanges and queues of its own",
            Broker::InProcess(_) => "the in-process broker",
        };
        let database = match &worker.database {
            Database::Postgres(_) => format!("PostgreSQL, in the new schema {SCHEMA}"),
            Database::Sqlite(_) => format!("SQLite, in the new file {FILE}"),
        };
        print_line(&format!("The demo runs on {broker} and {database}.\n"))
    }
}

/// Prefixes all names, so that the demo touches no queue in use.
fn use_separate_topology(settings: &mut Settings) {
    let prefix = format!("demo-{:08x}.", fastrand::u32(..));
    for name in [
        &mut settings.commands_exchange,
        &mut settings.commands_queue,
        &mut settings.events_exchange,
        &mut settings.dead_letter_exchange,
        &mut settings.dead_letter_queue,
    ] {
        *name = name.prefixed(&prefix);
    }
}

async fn fresh_database(settings: &mut Settings) -> Result<Database, CommandFailed> {
    if let DatabaseUrl::Sqlite(_) = settings.database()? {
        for suffix in ["", "-wal", "-shm"] {
            match std::fs::remove_file(format!("{FILE}{suffix}")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                Ok(()) | Err(_) => {}
            }
        }
        settings.database_url = Some(SecretUrl::new(format!("sqlite://{FILE}")));
    }
    let database = match Database::open(settings).await? {
        Database::Postgres(database) => Database::Postgres(database.in_fresh_schema(SCHEMA).await?),
        sqlite @ Database::Sqlite(_) => sqlite,
    };
    database.migrate().await?;
    Ok(database)
}

impl Session {
    /// Sends the commands one after the other, and prints each with its events and its outcome.
    async fn run(&mut self, database: &Database) -> Result<(), CommandFailed> {
        for line in EXAMPLES.lines() {
            let mut command = parse_line(line)
                .map_err(|error| CommandFailed::Message(format!("an example line {error}")))?;
            command.properties.reply_to = Some(self.inbox.reply_queue().to_owned());
            let sent = Sent::of(&command);
            self.counts.published += 1;
            submit(&self.broker, command).await?;
            loop {
                match self.inbox.next().await? {
                    InboxMessage::Event(event) => self.show_event(&event)?,
                    InboxMessage::Reply(reply) => break self.show_outcome(&sent, &reply)?,
                }
            }
        }
        let orders = database.orders().orders(&OrderQuery::all(), &Page::first(u32::MAX)).await?;
        let changes: i32 = orders.iter().map(crate::domain::Order::version).sum();
        let changes = usize::try_from(changes).unwrap_or_default();
        while (self.counts.status_changes, self.counts.rejections)
            != (changes, self.counts.rejected)
        {
            match self.inbox.next().await? {
                InboxMessage::Event(event) => self.show_event(&event)?,
                InboxMessage::Reply(_) => {
                    return Err(CommandFailed::Message("a command got two replies".to_owned()));
                }
            }
        }
        let dead_letters = self.dead_letters().await?;
        self.print_totals(orders.len(), changes, dead_letters)
    }

    /// The number of dead letters in the queue, once there are as many as outcomes say: a worker replies
    /// before it publishes the dead letter.
    async fn dead_letters(&self) -> Result<usize, CommandFailed> {
        let deadline = Instant::now() + MESSAGE_TIMEOUT;
        loop {
            let count = match &self.broker {
                Broker::RabbitMq(rabbitmq) => {
                    usize::try_from(rabbitmq.dead_letters_waiting().await?).unwrap_or(usize::MAX)
                }
                Broker::InProcess(broker) => broker.dead_letters().len(),
            };
            if count >= self.counts.dead_letters || Instant::now() > deadline {
                return Ok(count);
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn show_outcome(&mut self, sent: &Sent, reply: &Reply) -> Result<(), CommandFailed> {
        let count = match reply.outcome.as_str() {
            "accepted" => &mut self.counts.accepted,
            "duplicate" => &mut self.counts.duplicates,
            "rejected" => &mut self.counts.rejected,
            "dead_lettered" => &mut self.counts.dead_letters,
            other => return Err(CommandFailed::Message(format!("the outcome {other} is unknown"))),
        };
        *count += 1;
        let (outcome, order_id) = (reply.outcome.as_str(), reply.order_id.as_deref());
        let why = match (&reply.code, &reply.detail) {
            (Some(code), Some(detail)) => format!("{code}: {detail}"),
            _ => String::new(),
        };
        let command = sent.kind.map(CommandKind::name);
        if self.json {
            let line = json!({
                "command": command, "message_id": sent.message_id, "order_id": order_id,
                "outcome": outcome, "why": why,
            });
            return print_line(&line.to_string());
        }
        let (command, order) = (command.unwrap_or("(unknown)"), order_id.unwrap_or("-"));
        print_line(&format!(
            "→ {command:<14} order {:<7} {outcome:<14} {}",
            printable(order),
            printable(&why)
        ))
    }

    fn show_event(&mut self, event: &Value) -> Result<(), CommandFailed> {
        match event["type"].as_str() {
            Some("OrderStatusChanged") => self.counts.status_changes += 1,
            _ => self.counts.rejections += 1,
        }
        if self.json {
            return print_line(&event.to_string());
        }
        print_line(&format!("   event  {}", watch::as_text(event.to_string().as_bytes())))
    }

    /// Prints the counts.
    ///
    /// # Errors
    /// When they do not add up.
    fn print_totals(
        &self,
        orders: usize,
        changes: usize,
        in_dead_letters: usize,
    ) -> Result<(), CommandFailed> {
        let counts = &self.counts;
        let outcomes = counts.accepted + counts.duplicates + counts.rejected + counts.dead_letters;
        let sums = [
            (
                "commands published",
                counts.published,
                "accepted + duplicates + rejected + dead letters",
                outcomes,
            ),
            (
                "OrderStatusChanged events",
                counts.status_changes,
                "status changes in the database",
                changes,
            ),
            ("OrderCommandRejected events", counts.rejections, "rejected", counts.rejected),
            (
                "messages in the dead-letter queue",
                in_dead_letters,
                "dead letters",
                counts.dead_letters,
            ),
        ];
        if self.json {
            print_line(&json!({
                "fed": counts.published, "accepted": counts.accepted, "duplicates": counts.duplicates,
                "rejected": counts.rejected, "dead_letters": counts.dead_letters, "orders": orders,
                "status_changes": counts.status_changes, "rejections": counts.rejections,
            }).to_string())?;
        } else {
            print_line(&format!(
                "\n{} published = {} accepted + {} duplicates + {} rejected + {} dead letters; {orders} orders\n",
                counts.published,
                counts.accepted,
                counts.duplicates,
                counts.rejected,
                counts.dead_letters,
            ))?;
            let mut table = table(["count of", "number", "must equal", "number"]);
            for (what, number, other, other_number) in sums {
                table.add_row([what, &number.to_string(), other, &other_number.to_string()]);
            }
            print_line(&table.to_string())?;
        }
        match sums.iter().filter(|(_, number, _, other)| number != other).count() {
            0 => Ok(()),
            wrong => Err(CommandFailed::Message(format!("{wrong} counts do not add up"))),
        }
    }
}

async fn submit(broker: &Broker, command: Submitted) -> Result<(), CommandFailed> {
    match broker {
        Broker::InProcess(broker) => broker.submit(command),
        Broker::RabbitMq(rabbitmq) => {
            let Submitted { routing_key, properties, body } = command;
            let publication =
                Publication { target: Target::Commands { routing_key }, properties, body };
            let published = rabbitmq.publisher().publish(&[publication]).await;
            let confirmations =
                published.map_err(|error| CommandFailed::Message(error.to_string()))?;
            if confirmations != [PublishStatus::Confirmed] {
                return Err(CommandFailed::Message(
                    "the broker did not confirm a command".to_owned(),
                ));
            }
        }
    }
    Ok(())
}

impl Sent {
    fn of(command: &Submitted) -> Self {
        let Submitted { routing_key, properties, body } = command.clone();
        let properties_id = properties.message_id.clone();
        let envelope = Envelope { routing_key, properties, body, ..Envelope::default() };
        let decoded = decode::decode(&envelope);
        let message_id = decoded.result.ok().and_then(|message| message.idempotency_key);
        let message_id = message_id.map(|it| it.message_id.to_string()).or(properties_id);
        Self { kind: decoded.kind, message_id }
    }
}

impl Inbox {
    async fn of(broker: &Broker) -> Result<Self, CommandFailed> {
        Ok(match broker {
            Broker::InProcess(broker) => Self::InProcess {
                events: broker.subscribe(),
                replies: broker.declare_reply_queue(REPLY_QUEUE),
            },
            Broker::RabbitMq(rabbitmq) => {
                rabbitmq.prepare().await?;
                Self::RabbitMq(Box::new(rabbitmq.subscribe(&["order.#".to_owned()]).await?))
            }
        })
    }

    /// What commands name as their `reply_to`.
    fn reply_queue(&self) -> &str {
        match self {
            Self::InProcess { .. } => REPLY_QUEUE,
            Self::RabbitMq(subscription) => subscription.queue(),
        }
    }

    async fn next(&mut self) -> Result<InboxMessage, CommandFailed> {
        let next = async {
            let (kind, body) = match self {
                Self::InProcess { events, replies } => {
                    let message = tokio::select! {
                        biased;
                        reply = replies.recv() => reply,
                        event = events.recv() => event,
                    };
                    let message = message.ok_or_else(|| {
                        CommandFailed::Message("the in-process broker has ended".to_owned())
                    })?;
                    (message.properties.kind, message.body)
                }
                Self::RabbitMq(subscription) => {
                    let message = subscription.next().await?;
                    (message.properties.kind, message.body)
                }
            };
            let message = if kind.as_deref() == Some(CommandOutcomeBody::TYPE) {
                serde_json::from_slice(&body).map(InboxMessage::Reply)
            } else {
                serde_json::from_slice(&body).map(InboxMessage::Event)
            };
            Ok(message.map_err(std::io::Error::other)?)
        };
        let timed_out = |_| {
            let seconds = MESSAGE_TIMEOUT.as_secs();
            CommandFailed::Message(format!("no event and no reply came within {seconds} s"))
        };
        timeout(MESSAGE_TIMEOUT, next).await.map_err(timed_out)?
    }
}
