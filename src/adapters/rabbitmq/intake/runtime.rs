//! Opens lapin connections whose incoming bytes pass the frame filter.
//!
//! lapin takes the stream type from its runtime. So this runtime is tokio's, with
//! [`FilteredStream`] as its TCP stream; TLS is handled below the filter.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};

use super::gate::GateBuilder;
use super::{BrokerVersion, FilteredStream, FrameFilter, GateHandle};

type TokioTcp = <Tokio as Reactor>::TcpStream;

/// Plain TCP or TLS; the filter sees decrypted bytes.
type Filtered = FilteredStream<AsyncTcpStream<TokioTcp>>;

/// Tokio's reactor, with another type of stream.
#[derive(Debug, Clone)]
struct FilteringReactor(Tokio);

/// Opens a connection on which lapin receives only frames that it can parse and, with a gate, only
/// messages that the gate admits. Set `may_grow` if the caller reconnects with larger frames when
/// lapin refuses one. Stores the version of the broker in `broker_version`.
///
/// # Errors
/// When the server cannot be reached or refuses the client.
pub async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    gate: Option<&GateHandle>,
    may_grow: bool,
    broker_version: &BrokerVersion,
) -> lapin::Result<Connection> {
    let tokio = Tokio::current();
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), FilteringReactor(tokio.clone())));
    let tls = OwnedTLSConfig::default();
    let gate = gate.map(GateHandle::builder);
    let broker_version = broker_version.clone();
    let open = async move |uri: AMQPUri, _| {
        let gate = gate.as_ref().map(GateBuilder::gate);
        let filter = FrameFilter::new(uri.query.frame_max, gate)
            .with_frame_growth(may_grow)
            .with_broker_version(broker_version.clone());
        let runtime = Runtime::new(tokio.clone());
        let stream = uri.connect_with_config_async(tls.as_ref(), &runtime).await?;
        Ok(AsyncTcpStream::Plain(FilteredStream::new(stream, filter)))
    };
    Connection::connector(uri, runtime, open, properties).await
}

impl Reactor for FilteringReactor {
    type TcpStream = Filtered;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move {
            let stream = AsyncTcpStream::Plain(connecting.await?);
            Ok(FilteredStream::new(stream, FrameFilter::new(None, None)))
        }
    }
}
