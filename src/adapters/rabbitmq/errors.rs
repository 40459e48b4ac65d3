//! Maps errors of lapin, and limits the wait for replies of the broker.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::types::ReplyCode;

/// Timeout for opening a connection or a channel, and for the reply to a synchronous AMQP method.
pub(super) const RPC_TIMEOUT: Duration = Duration::from_secs(10);

/// The reply code for an exchange that does not exist.
const NOT_FOUND: ReplyCode = 404;

/// The reply code of either side for a frame larger than negotiated.
const FRAME_ERROR: ReplyCode = 501;

/// Why an operation on RabbitMQ failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RabbitError {
    /// The broker is unreachable, did not reply in time, or closed the connection or channel: may
    /// be temporary.
    #[error("{0}")]
    Unavailable(String),
    /// The properties of a message need a larger frame than negotiated, which closes the
    /// connection.
    #[error("{0}")]
    FrameTooLarge(String),
    /// The broker closed the channel because of a message published on it.
    #[error("{0}")]
    MessageRefused(String),
    /// An exchange or queue is missing, has other arguments, or may not be accessed: permanent
    /// until an operator changes the broker or the settings.
    #[error("{resource}: {difference}")]
    Topology { resource: String, difference: String },
    #[error("AMQP_URL is not an AMQP address: {0}")]
    Address(String),
}

impl RabbitError {
    pub(super) fn does_not_exist(resource: String) -> Self {
        Self::Topology { resource, difference: "does not exist".to_owned() }
    }

    /// Whether the broker replied that the exchange or queue does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        self.has_reply("NOT_FOUND")
    }

    /// Whether the broker replied that the user lacks a permission.
    pub(super) fn is_access_refused(&self) -> bool {
        self.has_reply("ACCESS_REFUSED")
    }

    fn has_reply(&self, name: &str) -> bool {
        let (Self::Unavailable(text) | Self::Topology { difference: text, .. }) = self else {
            return false;
        };
        text.contains(name)
    }
}

/// Awaits a reply of the broker for at most `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    reply: impl Future<Output = lapin::Result<T>>,
) -> Result<T, RabbitError> {
    match tokio::time::timeout(limit, reply).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(rabbit_error(&error)),
        Err(_) => Err(RabbitError::Unavailable(format!("no reply within {} s", limit.as_secs()))),
    }
}

/// Maps an error of lapin.
pub(super) fn rabbit_error(error: &lapin::Error) -> RabbitError {
    match error.kind() {
        ErrorKind::ProtocolError(reply) if reply.get_id() == FRAME_ERROR => {
            RabbitError::FrameTooLarge(describe(error))
        }
        _ => RabbitError::Unavailable(describe(error)),
    }
}

/// The same for a channel that only publishes: if the broker closes it, one of the messages is the
/// reason, unless the exchange does not exist.
pub(super) fn publishing_error(error: &lapin::Error) -> RabbitError {
    match error.kind() {
        ErrorKind::ProtocolError(reply)
            if error.is_amqp_soft_error() && reply.get_id() != NOT_FOUND =>
        {
            RabbitError::MessageRefused(describe(error))
        }
        _ => rabbit_error(error),
    }
}

/// The text of an error for logs: the reply text and code of the broker, without internals of
/// lapin.
pub(super) fn describe(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => format!("{} ({})", error.get_message(), error.get_id()),
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::MissingHeartbeatError => "no heartbeat from the broker".to_owned(),
        _ => error.to_string(),
    }
}
