//! The runtime that the client takes its connections from: tokio's, with another type of stream.

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
use super::{BrokerVersion, FilteredStream, FrameFilter, GateKeeper};

type TokioTcp = <Tokio as Reactor>::TcpStream;

/// Plain or TLS, with the filter on what has been decrypted.
type Filtered = FilteredStream<AsyncTcpStream<TokioTcp>>;

/// Tokio's reactor, but for the type of its streams.
#[derive(Debug, Clone)]
struct FilteringReactor(Tokio);

/// Opens a connection whose client is handed only frames that it can read, and only messages that the
/// gate lets in, where there is one. `may_grow`: whether the caller connects again for larger frames when
/// the client refuses one. The version of the broker is noted in `broker_version`.
///
/// # Errors
/// When the server cannot be reached, or does not let the client in.
pub async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    gate: Option<&GateKeeper>,
    may_grow: bool,
    broker_version: &BrokerVersion,
) -> lapin::Result<Connection> {
    let tokio = Tokio::current();
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), FilteringReactor(tokio.clone())));
    let tls = OwnedTLSConfig::default();
    let gate = gate.map(GateKeeper::builder);
    let broker_version = broker_version.clone();
    let open = async move |uri: AMQPUri, _| {
        let gate = gate.as_ref().map(GateBuilder::gate);
        let filter = FrameFilter::new(uri.query.frame_max, gate)
            .that_may_grow(may_grow)
            .that_notes(broker_version.clone());
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
