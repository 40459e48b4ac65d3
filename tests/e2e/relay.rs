//! A TCP relay between the worker and a server, which can do what bad networks do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

/// Passes bytes on, unless it is told otherwise.
pub struct Relay {
    pub port: u16,
    wire: Arc<Wire>,
}

/// What happens when the worker sends what a test waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The connection ends, and the server never gets it.
    EndBefore,
    /// The server gets it and answers; the answer is lost, and the connection ends.
    EndAfter,
    /// The server gets neither that nor anything more.
    Swallow,
    /// The server gets everything, its answers get lost.
    SwallowAnswers,
}

/// What all connections of a relay share.
#[derive(Default)]
struct Wire {
    cut: AtomicBool,
    delay: Mutex<Duration>,
    links: Mutex<Vec<Arc<Link>>>,
    trap: Mutex<Option<(&'static [u8], Reaction, usize)>>,
    sprung: AtomicUsize,
}

/// One connection.
#[derive(Default)]
struct Link {
    end: CancellationToken,
    /// Ends with a reset.
    abrupt: AtomicBool,
    swallows_requests: AtomicBool,
    swallows_answers: AtomicBool,
    ends_at_next_answer: AtomicBool,
    /// How many more bytes of the server pass.
    answer_bytes_left: Mutex<Option<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    CommandClient,
    Answers,
}

/// A port that refuses connections until a relay is put there.
pub fn closed_port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

/// A relay's address in the place of a server's.
pub fn address_with_port(url: &str, port: u16) -> String {
    let (before, _, after) = parts(url);
    format!("{before}127.0.0.1:{port}{after}")
}

impl Relay {
    /// A relay on a port of this machine to `target` (host:port).
    pub fn to(target: String) -> Self {
        Self::on(closed_port(), target)
    }

    /// A relay on a port that was kept for it.
    pub fn on(socket: TcpSocket, target: String) -> Self {
        let listener = socket.listen(1024).unwrap();
        let relay = Self { port: listener.local_addr().unwrap().port(), wire: Arc::default() };
        tokio::spawn(accept(listener, target, relay.wire.clone()));
        relay
    }

    /// Closes all connections, and new ones as soon as they are made.
    pub fn cut(&self) {
        self.wire.cut.store(true, SeqCst);
        self.wire.each_link(|link| link.end.cancel());
    }

    pub fn mend(&self) {
        self.wire.cut.store(false, SeqCst);
    }

    /// Resets all connections; answers how many there were.
    pub fn reset(&self) -> usize {
        self.wire.each_link(|link| {
            link.abrupt.store(true, SeqCst);
            link.end.cancel();
        })
    }

    /// Closes each connection after some bytes more from the server, in the middle of whatever they
    /// belong to; answers how many there were.
    pub fn close_after(&self, bytes: usize) -> usize {
        self.wire.each_link(|link| *link.answer_bytes_left.lock().unwrap() = Some(bytes))
    }

    /// From now on nothing passes through the present connections, which stay open; answers how many
    /// there were. New ones are not affected.
    pub fn freeze(&self) -> usize {
        self.wire.each_link(|link| {
            link.swallows_requests.store(true, SeqCst);
            link.swallows_answers.store(true, SeqCst);
        })
    }

    /// Holds back whatever passes.
    pub fn delay(&self, delay: Duration) {
        *self.wire.delay.lock().unwrap() = delay;
    }

    /// Reacts to these bytes from the worker, the next `times` times.
    pub fn on_request(&self, bytes: &'static [u8], reaction: Reaction, times: usize) {
        *self.wire.trap.lock().unwrap() = Some((bytes, reaction, times));
    }

    /// How often it has reacted.
    pub fn reactions(&self) -> usize {
        self.wire.sprung.load(SeqCst)
    }

    /// The address of the server with this relay in its place.
    pub fn in_place_of(&self, url: &str) -> String {
        address_with_port(url, self.port)
    }
}

/// Host and port of an address such as `amqp://user:password@host:port/path`.
pub fn host_of(url: &str) -> String {
    parts(url).1.to_owned()
}

fn parts(url: &str) -> (&str, &str, &str) {
    let scheme_end = url.find("://").unwrap() + 3;
    let start = url[scheme_end..].rfind('@').map_or(scheme_end, |at| scheme_end + at + 1);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |length| start + length);
    (&url[..start], &url[start..end], &url[end..])
}

async fn accept(listener: TcpListener, target: String, wire: Arc<Wire>) {
    while let Ok((client, _)) = listener.accept().await {
        // A client of a cut relay finds its connection closed at once.
        if wire.cut.load(SeqCst) {
            continue;
        }
        let link = Arc::<Link>::default();
        wire.links.lock().unwrap().push(link.clone());
        tokio::spawn(connect(client, target.clone(), wire.clone(), link));
    }
}

async fn connect(client: TcpStream, target: String, wire: Arc<Wire>, link: Arc<Link>) {
    // A server that is gone closes the connection to its relay as well.
    let Ok(server) = TcpStream::connect(target).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pass_on(from_client, to_server, Direction::CommandClient, &wire, &link),
        pass_on(from_server, to_client, Direction::Answers, &wire, &link),
    );
    wire.links.lock().unwrap().retain(|other| !Arc::ptr_eq(other, &link));
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    wire: &Wire,
    link: &Link,
) {
    let mut buffer = vec![0; 64 * 1024];
    let passing = async {
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let delay = *wire.delay.lock().unwrap();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let (passes, goes_on) = match direction {
                Direction::CommandClient => wire.requests(&buffer[..count], link),
                Direction::Answers => link.answers(count),
            };
            if to.write_all(&buffer[..passes]).await.is_err() || !goes_on {
                return;
            }
        }
    };
    tokio::select! {
        () = passing => {}
        () = link.end.cancelled() => {}
    }
    if direction == Direction::Answers && link.swallows_answers.load(SeqCst) {
        // Nothing passes any more, and the end is no exception.
        link.end.cancelled().await;
    }
    if link.abrupt.load(SeqCst) {
        // With nothing to linger for, closing sends a reset.
        let _ = from.as_ref().set_zero_linger();
        let _ = to.as_ref().set_zero_linger();
    }
    link.end.cancel();
}

impl Wire {
    fn each_link(&self, act: impl Fn(&Link)) -> usize {
        let links = self.links.lock().unwrap();
        links.iter().for_each(|link| act(link));
        links.len()
    }

    /// How many bytes of a request pass, and whether the connection goes on.
    fn requests(&self, bytes: &[u8], link: &Link) -> (usize, bool) {
        let Some(reaction) = self.spring(bytes) else {
            let passes = if link.swallows_requests.load(SeqCst) { 0 } else { bytes.len() };
            return (passes, true);
        };
        match reaction {
            Reaction::EndBefore => (0, false),
            Reaction::EndAfter => {
                link.ends_at_next_answer.store(true, SeqCst);
                (bytes.len(), true)
            }
            Reaction::Swallow => {
                link.swallows_requests.store(true, SeqCst);
                (0, true)
            }
            Reaction::SwallowAnswers => {
                link.swallows_answers.store(true, SeqCst);
                (bytes.len(), true)
            }
        }
    }

    fn spring(&self, bytes: &[u8]) -> Option<Reaction> {
        let mut trap = self.trap.lock().unwrap();
        let (wanted, reaction, times_left) = trap.as_mut()?;
        if *times_left == 0 || !bytes.windows(wanted.len()).any(|part| part == *wanted) {
            return None;
        }
        *times_left -= 1;
        self.sprung.fetch_add(1, SeqCst);
        Some(*reaction)
    }
}

impl Link {
    /// How many bytes of an answer pass, and whether the connection goes on.
    fn answers(&self, count: usize) -> (usize, bool) {
        if self.ends_at_next_answer.load(SeqCst) {
            return (0, false);
        }
        if self.swallows_answers.load(SeqCst) {
            return (0, true);
        }
        match self.answer_bytes_left.lock().unwrap().as_mut() {
            Some(left) if *left <= count => (*left, false),
            Some(left) => {
                *left -= count;
                (count, true)
            }
            None => (count, true),
        }
    }
}
