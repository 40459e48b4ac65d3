//! Opens connections and channels.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use lapin::types::ReplyCode;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::errors::{RPC_TIMEOUT, RabbitError, within};
use super::hosts::BrokerHosts;
use super::intake::{self, BrokerVersion, GateHandle};
use super::{RabbitPublisher, Topology};
use crate::messages::Target;
use crate::metrics::Metrics;
use crate::service_layer::{Cooldown, ServerUrl};

const REPLY_SUCCESS: ReplyCode = 200;

/// The heartbeat timeout to negotiate. lapin closes a connection from which it has received nothing
/// for twice as long.
const HEARTBEAT_SECONDS: u16 = 10;

/// Maximum frame size until a larger one is needed. lapin allocates 64 frames per connection: 1 MiB
/// with this size, 8 MiB with the 128 KiB that brokers propose. But all properties of a message
/// must fit into one frame; see [`RabbitMq::use_large_frames`].
const SMALL_FRAME_BYTES: u32 = 16 * 1024;

/// How long publishers remember a target whose confirms did not come in time.
const SLOW_TARGET_PERIOD: Duration = Duration::from_secs(60);

/// A RabbitMQ broker and its topology; clones share the publishing connection.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    hosts: Arc<BrokerHosts>,
    /// Replaces `hosts` for new connections.
    current_url: Option<ServerUrl>,
    pub(super) topology: Arc<Topology>,
    /// Distinguishes this worker from the others that consume the same queues.
    pub(super) worker_id: Uuid,
    /// Whether to declare the topology, or only to verify that it exists.
    declare: bool,
    /// Logs once what the user may not verify.
    unverified: Arc<Once>,
    publishing: Arc<Mutex<Option<Arc<Connection>>>>,
    /// Part of the name of the publishing connection.
    purpose: &'static str,
    large_frames: Arc<AtomicBool>,
    pub(super) version: BrokerVersion,
    /// Targets whose confirms did not come in time: publishers wait for them only briefly.
    pub(super) slow_targets: Arc<std::sync::Mutex<Cooldown<Target>>>,
    /// Counts opened connections.
    metrics: Option<Metrics>,
}

impl RabbitMq {
    /// A broker at `amqp://user:password@host:port/vhost` (or `amqps://`), where several hosts are
    /// separated by commas; connects when needed.
    ///
    /// # Errors
    /// [`RabbitError::Address`] when the address is malformed.
    pub fn new(url: &str, topology: Topology, declare: bool) -> Result<Self, RabbitError> {
        let hosts = Arc::new(parsed(url)?);
        let topology = Arc::new(topology);
        Ok(Self {
            hosts,
            current_url: None,
            topology,
            worker_id: Uuid::now_v7(),
            declare,
            unverified: Arc::new(Once::new()),
            publishing: Arc::default(),
            purpose: "publishes",
            large_frames: Arc::default(),
            version: BrokerVersion::default(),
            slow_targets: Arc::new(std::sync::Mutex::new(Cooldown::new(SLOW_TARGET_PERIOD))),
            metrics: None,
        })
    }

    /// Reads the address again before each connection.
    pub fn at_current_url(self, url: ServerUrl) -> Self {
        Self { current_url: Some(url), ..self }
    }

    /// The address that is read again before each connection.
    pub fn current_url(&self) -> Option<&ServerUrl> {
        self.current_url.as_ref()
    }

    /// Counts opened connections in these metrics.
    pub fn counted_in(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The same broker with a separate publishing connection, for replies: a reply queue that
    /// accepts nothing makes the broker stop reading from the connection that publishes to it (flow
    /// control).
    pub fn for_replies(&self) -> Self {
        Self { publishing: Arc::default(), purpose: "replies", ..self.clone() }
    }

    /// Whether the commands are spread over several queues.
    pub fn is_partitioned(&self) -> bool {
        self.topology.is_partitioned()
    }

    /// A publisher with its own channel.
    pub fn publisher(&self) -> RabbitPublisher {
        RabbitPublisher::new(self.clone())
    }

    fn current_hosts(&self) -> Result<Arc<BrokerHosts>, RabbitError> {
        let Some(url) = &self.current_url else { return Ok(self.hosts.clone()) };
        // Retried like an outage: the file may be corrected.
        let hosts = parsed(&url.read());
        hosts.map(Arc::new).map_err(|error| RabbitError::Unavailable(error.to_string()))
    }

    /// Opens a connection named after its purpose, as shown in the management UI. Incoming frames
    /// are [filtered](super::intake).
    pub(super) async fn connect(&self, purpose: &'static str) -> Result<Connection, RabbitError> {
        self.connect_gated(purpose, None).await
    }

    /// The same, with a gate that admits deliveries.
    pub(super) async fn connect_gated(
        &self,
        purpose: &'static str,
        gate: Option<&GateHandle>,
    ) -> Result<Connection, RabbitError> {
        let is_small = !self.large_frames.load(Ordering::Relaxed);
        let name = format!("order-worker {purpose}");
        let (name, version) = (name.as_str(), &self.version);
        let connect = move |mut uri: AMQPUri| async move {
            let starts_small = is_small && uri.query.frame_max.is_none();
            if starts_small {
                uri.query.frame_max = Some(SMALL_FRAME_BYTES);
            }
            let properties = ConnectionProperties::default().with_connection_name(name.into());
            intake::connect(uri, properties, gate, starts_small, version).await
        };
        let connection = self.current_hosts()?.connect(connect).await?;
        if let Some(metrics) = &self.metrics {
            metrics.state.connected(purpose);
        }
        Ok(connection)
    }

    /// Opens all further connections with the frame size that the broker proposes, because a
    /// message needs it: with small frames, each such message would close the connection.
    pub(super) fn use_large_frames(&self) {
        if !self.large_frames.swap(true, Ordering::Relaxed) {
            tracing::info!("A message needs larger frames: new connections negotiate them");
        }
    }

    /// Whether the broker blocks the publishing connection (`connection.blocked`); `false` while it
    /// is being opened.
    pub fn publishing_is_blocked(&self) -> bool {
        // The lock is held only while connecting.
        let Ok(publishing) = self.publishing.try_lock() else { return false };
        let connection = publishing.as_ref().map(|connection| connection.status());
        connection.is_some_and(|status| status.connected() && status.blocked())
    }

    /// Opens a channel on the publishing connection, and that connection first if it is not open.
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
                    self.drop_publishing(&connection).await;
                }
                Err(error)
            }
        }
    }

    /// Drops the publishing connection, from which the broker has stopped reading: the next channel
    /// is opened on a new one.
    pub(super) async fn drop_publishing(&self, connection: &Arc<Connection>) {
        let mut publishing = self.publishing.lock().await;
        publishing.take_if(|current| Arc::ptr_eq(current, connection));
    }

    /// Declares the topology, or verifies that it exists if the worker may not declare.
    ///
    /// # Errors
    /// [`RabbitError::Topology`] when an exchange or queue is missing or has other arguments.
    pub(super) async fn ensure_topology(&self, connection: &Connection) -> Result<(), RabbitError> {
        if self.declare {
            self.topology.declare(connection, &self.version).await
        } else {
            let not_permitted = self.topology.verify(connection, &self.version).await?;
            if !not_permitted.is_empty() {
                self.unverified.call_once(|| {
                    tracing::info!(
                        resources = not_permitted.join(", "),
                        "No permission to check whether these exist; a missing one is reported when it is used"
                    );
                });
            }
            Ok(())
        }
    }

    /// Connects and declares the topology, or verifies that it exists if the worker may not
    /// declare.
    ///
    /// # Errors
    /// [`RabbitError::Topology`] when an exchange or queue is missing or has other arguments,
    /// [`RabbitError::Unavailable`] when the broker is unavailable.
    pub async fn prepare(&self) -> Result<(), RabbitError> {
        let connection = self.connect("prepares").await?;
        let result = self.ensure_topology(&connection).await;
        close(&connection).await;
        result
    }

    /// Closes the publishing connection with `connection.close`.
    pub async fn close(&self) {
        if let Some(connection) = self.publishing.lock().await.take() {
            close(&connection).await;
        }
    }
}

fn parsed(url: &str) -> Result<BrokerHosts, RabbitError> {
    let hosts: BrokerHosts = url.parse().map_err(RabbitError::Address)?;
    Ok(hosts.with_default_heartbeat(HEARTBEAT_SECONDS))
}

pub(super) async fn open_channel(connection: &Connection) -> Result<Channel, RabbitError> {
    within(RPC_TIMEOUT, connection.create_channel()).await
}

/// Closes a channel and waits for `channel.close-ok`. lapin closes a dropped channel later; if its
/// connection is closed meanwhile, lapin takes that for a broken connection and discards frames
/// that are still to be sent, such as acknowledgements.
pub(super) async fn close_channel(channel: &Channel) {
    // Fails only on a channel that is closed already, as by the broker after an error.
    let _ = within(RPC_TIMEOUT, channel.close(REPLY_SUCCESS, "done".into())).await;
}

pub(super) async fn close(connection: &Connection) {
    // Fails only on a connection that is closed already.
    let _ = within(RPC_TIMEOUT, connection.close(REPLY_SUCCESS, "done".into())).await;
}
