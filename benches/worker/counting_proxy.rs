//! A TCP proxy in front of PostgreSQL that counts round trips and bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

#[derive(Debug)]
pub struct CountingProxy {
    url: String,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    round_trips: AtomicU64,
    bytes: AtomicU64,
}

impl CountingProxy {
    /// A proxy to the server of this URL; accepts connections as long as the runtime lives.
    pub async fn to(database_url: &str) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (url, server) = redirected(database_url, &listener.local_addr()?.to_string())?;
        let counts = Arc::<Counts>::default();
        let proxy = Self { url, counts: counts.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, counts) = (server.clone(), counts.clone());
                // An error ends this connection only; the client notices.
                tokio::spawn(async move { pass_on(client, &server, &counts).await.ok() });
            }
        });
        Ok(proxy)
    }

    /// The URL of the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Round trips of all clients, and bytes that they sent.
    pub fn counts(&self) -> (u64, u64) {
        let Counts { round_trips, bytes } = &*self.counts;
        (round_trips.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed))
    }
}

/// The URL with `host` as its host and port, and the original host and port. TLS is disabled: it would
/// hide the protocol.
fn redirected(url: &str, host: &str) -> Result<(String, String), Failure> {
    let unknown = "DATABASE_URL has no host: postgres://user:password@host:port/database";
    let (scheme, rest) = url.split_once("://").ok_or(unknown)?;
    let (authority, path) = rest.split_once('/').ok_or(unknown)?;
    let (user, server) =
        authority.rsplit_once('@').map_or(("", authority), |(user, it)| (user, it));
    let server = if server.contains(':') { server.to_owned() } else { format!("{server}:5432") };
    let at = if user.is_empty() { "" } else { "@" };
    let separator = if path.contains('?') { '&' } else { '?' };
    Ok((format!("{scheme}://{user}{at}{host}/{path}{separator}sslmode=disable"), server))
}

async fn pass_on(client: TcpStream, server: &str, counts: &Counts) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let responses = tokio::spawn(async move {
        tokio::io::copy(&mut from_server, &mut to_client).await.ok();
    });
    let mut messages = Messages::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from_client.read(&mut buffer).await?;
        if length == 0 {
            to_server.shutdown().await?;
            responses.await?;
            return Ok(());
        }
        to_server.write_all(&buffer[..length]).await?;
        counts.bytes.fetch_add(length as u64, Ordering::Relaxed);
        counts.round_trips.fetch_add(messages.round_trips(&buffer[..length]), Ordering::Relaxed);
    }
}

/// Parser state of a client's stream. A message has one byte of type (the first message has none), four
/// bytes of length, which include themselves, and the body.
#[derive(Debug, Default)]
struct Messages {
    started: bool,
    head: Vec<u8>,
    body_left: usize,
}

impl Messages {
    /// Counts the messages that wait for a response: `Sync` and `Query`.
    fn round_trips(&mut self, mut bytes: &[u8]) -> u64 {
        let mut round_trips = 0;
        while !bytes.is_empty() {
            if self.body_left > 0 {
                let skipped = self.body_left.min(bytes.len());
                bytes = &bytes[skipped..];
                self.body_left -= skipped;
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            let type_length = usize::from(self.started);
            if let Some(length) = self.head[..].get(type_length..type_length + 4) {
                let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                self.body_left = length.saturating_sub(4);
                round_trips += u64::from(self.started && b"SQ".contains(&self.head[0]));
                self.started = true;
                self.head.clear();
            }
        }
        round_trips
    }
}
