//! Connections to RabbitMQ.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::types::ReplyCode;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::intake::{self, BrokerVersion, GateKeeper};
use super::{RabbitPublisher, Topology};
use crate::metrics::Metrics;
use crate::service_layer::{Cooldown, Target};

/// Longest wait for a connection, a channel, or the answer to a method.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

const REPLY_SUCCESS: ReplyCode = 200;

/// What the broker says of an exchange that is missing.
const NOT_FOUND: ReplyCode = 404;

/// What either side says of a frame that is larger than agreed on.
const FRAME_ERROR: ReplyCode = 501;

/// A connection without a sign of life for twice this time is broken.
const HEARTBEAT_SECONDS: u16 = 10;

/// Largest frame until a larger one is needed. The client keeps 64 frames for each connection, which
/// is 1 MiB then, and 8 MiB with the 128 KiB that a broker proposes. But all headers of a message
/// must fit into one frame: whoever meets a message with larger ones calls for
/// [large frames](RabbitMq::call_for_large_frames).
const SMALL_FRAME_BYTES: u32 = 16 * 1024;

/// How long publishers remember a target that did not confirm in time.
const SLOW_TARGET_PERIOD: Duration = Duration::from_secs(60);

/// Why RabbitMQ did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RabbitError {
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
    /// The headers of a message need a larger frame than was agreed on, which ends the connection.
    #[error("{0}")]
    FrameTooLarge(String),
    /// The broker closed the channel over a message that was published on it.
    #[error("{0}")]
    MessageRefused(String),
    /// It will not work before somebody changes something.
    #[error("{what}: {difference}")]
    Topology { what: String, difference: String },
    #[error("AMQP_URL is not an AMQP address: {0}")]
    Address(String),
}

/// A RabbitMQ broker and the names that are used on it; clones share the publishing connection.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    uri: Arc<AMQPUri>,
    pub(super) topology: Arc<Topology>,
    /// Tells this worker from the others that consume the same queues.
    pub(super) worker_id: Uuid,
    /// Whether to declare what is missing, or only to look whether it is there.
    declare: bool,
    publishing: Arc<Mutex<Option<Arc<Connection>>>>,
    /// What the publishing connection is for.
    purpose: &'static str,
    large_frames: Arc<AtomicBool>,
    pub(super) version: BrokerVersion,
    /// Targets of which a message was not confirmed in time: no publisher waits for them so long again.
    pub(super) slow_targets: Arc<std::sync::Mutex<Cooldown<Target>>>,
    /// Where connections are counted, if they are.
    metrics: Option<Metrics>,
}

impl RabbitMq {
    /// A broker at `amqp://user:password@host:port/vhost` (or `amqps://`); connects when needed.
    ///
    /// # Errors
    /// [`RabbitError::Address`] when the address is malformed.
    pub fn new(url: &str, topology: Topology, declare: bool) -> Result<Self, RabbitError> {
        let mut uri: AMQPUri = url.parse().map_err(RabbitError::Address)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let topology = Arc::new(topology);
        Ok(Self {
            uri: Arc::new(uri),
            topology,
            worker_id: Uuid::now_v7(),
            declare,
            publishing: Arc::default(),
            purpose: "publishes",
            large_frames: Arc::default(),
            version: BrokerVersion::default(),
            slow_targets: Arc::new(std::sync::Mutex::new(Cooldown::new(SLOW_TARGET_PERIOD))),
            metrics: None,
        })
    }

    /// The same, with its connections counted.
    pub fn counted_in(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The same with a publishing connection of its own, for replies. A queue that stands still makes
    /// the broker read no more from a connection that publishes much to it.
    pub fn for_replies(&self) -> Self {
        Self { publishing: Arc::default(), purpose: "replies", ..self.clone() }
    }

    /// Whether the commands are spread over several queues.
    pub fn is_partitioned(&self) -> bool {
        self.topology.is_partitioned()
    }

    /// A publisher with a channel of its own.
    pub fn publisher(&self) -> RabbitPublisher {
        RabbitPublisher::new(self.clone())
    }

    /// Opens a connection whose name tells its purpose to whoever looks at the broker. What comes
    /// through it is [filtered](super::intake).
    pub(super) async fn connect(&self, purpose: &'static str) -> Result<Connection, RabbitError> {
        self.connect_gated(purpose, None).await
    }

    /// The same for a connection whose messages are let in by a gate.
    pub(super) async fn connect_gated(
        &self,
        purpose: &'static str,
        gate: Option<&GateKeeper>,
    ) -> Result<Connection, RabbitError> {
        let mut uri = AMQPUri::clone(&self.uri);
        let starts_small =
            uri.query.frame_max.is_none() && !self.large_frames.load(Ordering::Relaxed);
        if starts_small {
            uri.query.frame_max = Some(SMALL_FRAME_BYTES);
        }
        let name = format!("order-worker {purpose}");
        let properties =
            ConnectionProperties::default().with_connection_name(name.into_bytes().into());
        let connecting = intake::connect(uri, properties, gate, starts_small, &self.version);
        let connection = within(ANSWER_TIMEOUT, connecting).await?;
        if let Some(metrics) = &self.metrics {
            metrics.state.connected(purpose);
        }
        Ok(connection)
    }

    /// From now on connections are opened with frames as large as the broker allows: there are
    /// messages that need them, and they would cost the connection each time.
    pub(super) fn call_for_large_frames(&self) {
        if !self.large_frames.swap(true, Ordering::Relaxed) {
            tracing::info!("A message needs larger frames; connections have them from now on");
        }
    }

    /// Whether the broker blocks the connection for publishing, as far as it is known at once.
    pub fn publishing_is_blocked(&self) -> bool {
        // Whoever holds the lock is connecting.
        let Ok(publishing) = self.publishing.try_lock() else { return false };
        let connection = publishing.as_ref().map(|connection| connection.status());
        connection.is_some_and(|status| status.connected() && status.blocked())
    }

    /// A channel on the one connection for publishing, which is opened anew when it is broken.
    pub(super) async fn publishing_channel(
        &self,
    ) -> Result<(Arc<Connection>, Channel), RabbitError> {
        let mut publishing = self.publishing.lock().await;
        let connection =
            match publishing.take().filter(|connection| connection.status().connected()) {
                Some(connection) => connection,
                None => Arc::new(self.connect(self.purpose).await?),
            };
        *publishing = Some(connection.clone());
        drop(publishing);
        match open_channel(&connection).await {
            Ok(channel) => Ok((connection, channel)),
            Err(error) => {
                if !connection.status().blocked() {
                    self.abandon(&connection).await;
                }
                Err(error)
            }
        }
    }

    /// Has the next channel opened on a new connection: the broker reads no more from this one.
    pub(super) async fn abandon(&self, connection: &Arc<Connection>) {
        let mut publishing = self.publishing.lock().await;
        publishing.take_if(|present| Arc::ptr_eq(present, connection));
    }

    /// Makes sure that exchanges and queues are there: declares them, or only looks for them when
    /// the worker may not declare.
    ///
    /// # Errors
    /// [`RabbitError::Topology`] when one is missing or is not as it should be.
    pub(super) async fn ensure_topology(&self, connection: &Connection) -> Result<(), RabbitError> {
        if self.declare {
            self.topology.declare(connection, &self.version).await
        } else {
            self.topology.look(connection, &self.version).await
        }
    }

    /// Connects and makes sure that exchanges and queues are there.
    ///
    /// # Errors
    /// See [`RabbitError`].
    pub async fn prepare(&self) -> Result<(), RabbitError> {
        let connection = self.connect("prepares").await?;
        let result = self.ensure_topology(&connection).await;
        close(&connection).await;
        result
    }

    /// Closes the publishing connection in good order.
    pub async fn close(&self) {
        if let Some(connection) = self.publishing.lock().await.take() {
            close(&connection).await;
        }
    }
}

pub(super) async fn open_channel(connection: &Connection) -> Result<Channel, RabbitError> {
    within(ANSWER_TIMEOUT, connection.create_channel()).await
}

/// Closes a channel and waits for it. A channel that is only dropped is closed some time later, and
/// when its connection is closed meanwhile, the client takes that for a broken connection and throws
/// away what was still to be sent: acknowledgements, for instance.
pub(super) async fn close_channel(channel: &Channel) {
    // A channel that cannot be closed is closed already: the broker does so over any refusal.
    let _ = within(ANSWER_TIMEOUT, channel.close(REPLY_SUCCESS, "done".into())).await;
}

pub(super) async fn close(connection: &Connection) {
    // A connection that cannot be closed is broken already.
    let _ = within(ANSWER_TIMEOUT, connection.close(REPLY_SUCCESS, "done".into())).await;
}

/// Awaits an answer of the broker for at most `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, RabbitError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(trouble(&error)),
        Err(_) => Err(RabbitError::Unavailable(format!("no answer within {} s", limit.as_secs()))),
    }
}

/// Tells what the broker sent from whether it answers.
pub(super) fn trouble(error: &lapin::Error) -> RabbitError {
    match error.kind() {
        ErrorKind::ProtocolError(reply) if reply.get_id() == FRAME_ERROR => {
            RabbitError::FrameTooLarge(describe(error))
        }
        _ => RabbitError::Unavailable(describe(error)),
    }
}

/// The same for a channel on which nothing is done but to publish. If the broker has closed it, this was
/// over one of the messages; but a missing exchange is no fault of theirs.
pub(super) fn publishing_trouble(error: &lapin::Error) -> RabbitError {
    match error.kind() {
        ErrorKind::ProtocolError(reply)
            if error.is_amqp_soft_error() && reply.get_id() != NOT_FOUND =>
        {
            RabbitError::MessageRefused(describe(error))
        }
        _ => trouble(error),
    }
}

/// An error in words for people, without the internals of the client.
pub(super) fn describe(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => format!("{} ({})", error.get_message(), error.get_id()),
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::MissingHeartbeatError => "no heartbeat from the broker".to_owned(),
        _ => error.to_string(),
    }
}
