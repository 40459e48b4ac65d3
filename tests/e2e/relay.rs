//! A TCP relay between the worker and a server, which can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Passes bytes on, as long as it is not cut.
pub struct Relay {
    pub port: u16,
    cut: Arc<AtomicBool>,
    changed: Arc<Notify>,
}

impl Relay {
    /// A relay on a port of this machine to `target` (host:port).
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            cut: Arc::default(),
            changed: Arc::default(),
        };
        let (cut, changed) = (relay.cut.clone(), relay.changed.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A client of a cut relay finds its connection closed at once.
                if !cut.load(Ordering::SeqCst) {
                    tokio::spawn(pass_on(client, target.clone(), changed.clone()));
                }
            }
        });
        relay
    }

    /// Closes all connections, and new ones as soon as they are made.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }

    /// The address of the server with this relay in its place.
    pub fn in_place_of(&self, url: &str) -> String {
        let (before, _, after) = parts(url);
        format!("{before}127.0.0.1:{}{after}", self.port)
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

async fn pass_on(mut client: TcpStream, target: String, changed: Arc<Notify>) {
    let mut server = TcpStream::connect(target).await.unwrap();
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        () = changed.notified() => {}
    }
}
