//! A TCP proxy between the worker and a server that simulates network faults.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

/// Forwards bytes, except for the faults that a test asks for.
pub struct TcpProxy {
    pub port: u16,
    shared: Arc<Shared>,
}

/// What happens when the worker sends the bytes of [`TcpProxy::on_request`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Closes the connection; the server does not receive the request.
    CloseBefore,
    /// Forwards the request, drops its response and closes the connection.
    CloseAfter,
    /// Drops this and all later requests.
    DropRequests,
    /// Forwards all requests, drops all responses.
    DropResponses,
}

/// The state that all connections share.
#[derive(Default)]
struct Shared {
    cut: AtomicBool,
    delay: Mutex<Duration>,
    links: Mutex<Vec<Arc<Link>>>,
    trigger: Mutex<Option<(&'static [u8], Reaction, usize)>>,
    triggered: AtomicUsize,
}

/// One proxied connection.
#[derive(Default)]
struct Link {
    end: CancellationToken,
    /// Closes with a TCP reset.
    abrupt: AtomicBool,
    drops_requests: AtomicBool,
    drops_responses: AtomicBool,
    closes_at_next_response: AtomicBool,
    /// How many more bytes from the server are forwarded.
    response_bytes_left: Mutex<Option<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

/// A port that refuses connections until [`TcpProxy::on`] listens there.
pub fn closed_port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// The URL with a port of this machine as its host.
pub fn url_with_port(url: &str, port: u16) -> String {
    let (before, _, after) = parts(url);
    format!("{before}127.0.0.1:{port}{after}")
}

impl TcpProxy {
    /// A proxy on any port of this machine to `target` (host:port).
    pub fn to(target: String) -> Self {
        Self::on(closed_port(), target)
    }

    /// A proxy on a port of [`closed_port`].
    pub fn on(socket: TcpSocket, target: String) -> Self {
        let listener = socket.listen(1024).unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), shared: Arc::default() };
        tokio::spawn(accept(listener, target, proxy.shared.clone()));
        proxy
    }

    /// Closes all connections, and new ones at once, until [`Self::restore`].
    pub fn cut(&self) {
        self.shared.cut.store(true, SeqCst);
        self.shared.each_link(|link| link.end.cancel());
    }

    pub fn restore(&self) {
        self.shared.cut.store(false, SeqCst);
    }

    /// Resets all connections; returns their number.
    pub fn reset(&self) -> usize {
        self.shared.each_link(|link| {
            link.abrupt.store(true, SeqCst);
            link.end.cancel();
        })
    }

    /// Closes each connection after this many more bytes from the server, also in the middle of a
    /// message; returns their number.
    pub fn close_after(&self, bytes: usize) -> usize {
        self.shared.each_link(|link| *link.response_bytes_left.lock().unwrap() = Some(bytes))
    }

    /// Drops everything on the present connections, which stay open; returns their number. New connections
    /// are not affected.
    pub fn freeze(&self) -> usize {
        self.shared.each_link(|link| {
            link.drops_requests.store(true, SeqCst);
            link.drops_responses.store(true, SeqCst);
        })
    }

    /// Delays everything that is forwarded.
    pub fn delay(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap() = delay;
    }

    /// Reacts to the next `times` requests that contain these bytes.
    pub fn on_request(&self, bytes: &'static [u8], reaction: Reaction, times: usize) {
        *self.shared.trigger.lock().unwrap() = Some((bytes, reaction, times));
    }

    /// How often [`Self::on_request`] has taken effect.
    pub fn reactions(&self) -> usize {
        self.shared.triggered.load(SeqCst)
    }

    /// The URL of the server through this proxy.
    pub fn url_for(&self, url: &str) -> String {
        url_with_port(url, self.port)
    }
}

/// Host and port of a URL such as `amqp://user:password@host:port/path`.
pub fn host_of(url: &str) -> String {
    parts(url).1.to_owned()
}

fn parts(url: &str) -> (&str, &str, &str) {
    let scheme_end = url.find("://").unwrap() + 3;
    let start = url[scheme_end..].rfind('@').map_or(scheme_end, |at| scheme_end + at + 1);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |length| start + length);
    (&url[..start], &url[start..end], &url[end..])
}

async fn accept(listener: TcpListener, target: String, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        // Dropping the socket closes it.
        if shared.cut.load(SeqCst) {
            continue;
        }
        let link = Arc::<Link>::default();
        shared.links.lock().unwrap().push(link.clone());
        tokio::spawn(connect(client, target.clone(), shared.clone(), link));
    }
}

async fn connect(client: TcpStream, target: String, shared: Arc<Shared>, link: Arc<Link>) {
    // When the server is down, the client's connection is closed as well.
    let Ok(server) = TcpStream::connect(target).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pass_on(from_client, to_server, Direction::ToServer, &shared, &link),
        pass_on(from_server, to_client, Direction::ToClient, &shared, &link),
    );
    shared.links.lock().unwrap().retain(|other| !Arc::ptr_eq(other, &link));
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    shared: &Shared,
    link: &Link,
) {
    let mut buffer = vec![0; 64 * 1024];
    let forwarding = async {
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let delay = *shared.delay.lock().unwrap();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let (forwarded, stays_open) = match direction {
                Direction::ToServer => shared.requests(&buffer[..count], link),
                Direction::ToClient => link.responses(count),
            };
            if to.write_all(&buffer[..forwarded]).await.is_err() || !stays_open {
                return;
            }
        }
    };
    tokio::select! {
        () = forwarding => {}
        () = link.end.cancelled() => {}
    }
    if direction == Direction::ToClient && link.drops_responses.load(SeqCst) {
        // The close is not forwarded either.
        link.end.cancelled().await;
    }
    if link.abrupt.load(SeqCst) {
        // Closing without linger sends a reset.
        let _ = from.as_ref().set_zero_linger();
        let _ = to.as_ref().set_zero_linger();
    }
    link.end.cancel();
}

impl Shared {
    fn each_link(&self, act: impl Fn(&Link)) -> usize {
        let links = self.links.lock().unwrap();
        links.iter().for_each(|link| act(link));
        links.len()
    }

    /// How many bytes of a request to forward, and whether the connection stays open.
    fn requests(&self, bytes: &[u8], link: &Link) -> (usize, bool) {
        let Some(reaction) = self.triggered_by(bytes) else {
            let forwarded = if link.drops_requests.load(SeqCst) { 0 } else { bytes.len() };
            return (forwarded, true);
        };
        match reaction {
            Reaction::CloseBefore => (0, false),
            Reaction::CloseAfter => {
                link.closes_at_next_response.store(true, SeqCst);
                (bytes.len(), true)
            }
            Reaction::DropRequests => {
                link.drops_requests.store(true, SeqCst);
                (0, true)
            }
            Reaction::DropResponses => {
                link.drops_responses.store(true, SeqCst);
                (bytes.len(), true)
            }
        }
    }

    fn triggered_by(&self, bytes: &[u8]) -> Option<Reaction> {
        let mut trigger = self.trigger.lock().unwrap();
        let (wanted, reaction, times_left) = trigger.as_mut()?;
        if *times_left == 0 || !bytes.windows(wanted.len()).any(|part| part == *wanted) {
            return None;
        }
        *times_left -= 1;
        self.triggered.fetch_add(1, SeqCst);
        Some(*reaction)
    }
}

impl Link {
    /// How many bytes of a response to forward, and whether the connection stays open.
    fn responses(&self, count: usize) -> (usize, bool) {
        if self.closes_at_next_response.load(SeqCst) {
            return (0, false);
        }
        if self.drops_responses.load(SeqCst) {
            return (0, true);
        }
        match self.response_bytes_left.lock().unwrap().as_mut() {
            Some(left) if *left <= count => (*left, false),
            Some(left) => {
                *left -= count;
                (count, true)
            }
            None => (count, true),
        }
    }
}
