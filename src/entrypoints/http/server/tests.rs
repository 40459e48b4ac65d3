//! The server with misbehaving clients and handlers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connections::MAX_CONNECTIONS;
use super::{Connections, serve_until_stopped, with_limits};

const LARGE: usize = 64 * 1024 * 1024;

/// A server on the test's own runtime and clock.
struct TestServer {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl TestServer {
    fn new(routes: Router) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::default();
        let routes = with_limits(routes, Handle::current(), &connections.refusals);
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve_until_stopped(listener, connections, routes, stop.clone()));
        Self { address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// All bytes received until the connection is closed.
    async fn response_to(&self, request: &str) -> String {
        read_to_end_of(self.send(request).await).await
    }
}

async fn read_to_end_of(mut stream: TcpStream) -> String {
    let mut response = Vec::new();
    // A reset ends it as well.
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8_lossy(&response).into_owned()
}

fn closing(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn ok() -> Router {
    Router::new().route("/", get(async || "ok"))
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_request_is_served() {
    let broken = async || -> &'static str { panic!("for the test") };
    let server = TestServer::new(ok().route("/broken", get(broken)));

    let response = server.response_to(&closing("GET", "/broken")).await;

    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(
        response.contains("application/problem+json") && !response.contains("for the test"),
        "{response}"
    );
    assert!(server.response_to(&closing("GET", "/")).await.ends_with("ok"));
}

#[tokio::test]
async fn the_sender_of_a_body_that_is_too_large_gets_a_413() {
    let server = TestServer::new(Router::new().route("/", post(async |_: Bytes| "ok")));
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\n";
    let body = "x".repeat(16 * 1024 * 1024);
    let sized = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n1000000\r\n{body}\r\n0\r\n\r\n");

    for request in [sized, chunked] {
        // All of it is read, and the connection stays open.
        let mut stream = server.send(&request).await;
        stream.write_all(closing("POST", "/").as_bytes()).await.unwrap();
        let responses = read_to_end_of(stream).await;

        assert!(responses.starts_with("HTTP/1.1 413 "), "{responses}");
        assert!(responses.contains("application/problem+json"), "{responses}");
        assert!(responses.ends_with("ok"), "{responses}");
    }
}

#[tokio::test]
async fn a_client_that_expects_100_continue_need_not_send_a_body_that_is_too_large() {
    let server = TestServer::new(Router::new().route("/", post(async |_: Bytes| "ok")));
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: ";

    let refused = server.response_to(&format!("{head}16777216\r\n\r\n")).await;
    let mut stream = server.send(&format!("{head}2\r\nConnection: close\r\n\r\n")).await;
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    stream.write_all(b"{}").await.unwrap();

    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(read_to_end_of(stream).await.ends_with("ok"));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_closes_the_connection() {
    let server = TestServer::new(ok());

    let response = server.response_to("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;

    assert_eq!(response, "");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_gets_a_408() {
    let server = TestServer::new(Router::new().route("/", post(async |_: Bytes| "ok")));
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";

    let response = server.response_to(head).await;

    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_return_gets_a_503() {
    let server = TestServer::new(Router::new().route("/", get(std::future::pending::<&str>)));

    let response = server.response_to(&closing("GET", "/")).await;

    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_response_is_disconnected() {
    let server = TestServer::new(Router::new().route("/", get(async || vec![b'x'; LARGE])));
    let stream = server.send(&closing("GET", "/")).await;

    tokio::time::sleep(Duration::from_secs(60)).await;

    assert!(read_to_end_of(stream).await.len() < LARGE);
}

#[tokio::test]
async fn a_handler_is_cancelled_when_its_client_disconnects() {
    let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (signal, signal_on_drop) = (begun.clone(), dropped.clone());
    let handler = async move || {
        let _on_drop = OnDrop(signal_on_drop);
        signal.notify_one();
        std::future::pending::<()>().await;
    };
    let server = TestServer::new(Router::new().route("/", get(handler)));

    let stream = server.send(&closing("GET", "/")).await;
    begun.notified().await;
    drop(stream);

    dropped.notified().await;
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn idle_connections_keep_no_client_out() {
    let server = TestServer::new(ok());
    let mut idle = Vec::new();
    for _ in 0..2 * MAX_CONNECTIONS {
        idle.push(server.connect().await);
    }

    let response = server.response_to(&closing("GET", "/")).await;

    assert!(response.ends_with("ok"), "{response}");
    drop(idle);
}

#[tokio::test]
async fn an_active_request_is_not_closed_to_make_room() {
    let gate = Arc::new(Semaphore::new(0));
    let waits = gate.clone();
    let handler = async move || drop(waits.acquire().await.unwrap());
    let server = TestServer::new(ok().route("/slow", get(handler)));
    let mut responses = Vec::new();
    for _ in 0..=MAX_CONNECTIONS {
        let stream = server.send(&closing("GET", "/slow")).await;
        responses.push(tokio::spawn(read_to_end_of(stream)));
    }

    gate.add_permits(1);

    for response in responses {
        assert!(response.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_stream_of_events_ends_when_the_worker_stops() {
    let events = || Body::from_stream(tokio_stream::pending::<Result<Bytes, Infallible>>());
    let route = get(async move || ([(CONTENT_TYPE, "text/event-stream")], events()));
    let server = TestServer::new(Router::new().route("/", route));
    let mut stream = server.send(&closing("GET", "/")).await;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    server.stop.cancel();
    server.task.await.unwrap().unwrap();

    assert!(read_to_end_of(stream).await.contains("text/event-stream"));
}

#[tokio::test]
async fn a_worker_that_stops_finishes_active_requests_and_waits_for_nothing_else() {
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (signal, waits) = (begun.clone(), gate.clone());
    let handler = async move || {
        signal.notify_one();
        drop(waits.acquire().await.unwrap());
        "done"
    };
    let server = TestServer::new(Router::new().route("/", get(handler)));
    let idle = server.connect().await;
    let slow = server.send("GET / HTTP/1.1\r\nHost: ").await;
    let active = server.send(&closing("GET", "/")).await;
    begun.notified().await;

    server.stop.cancel();
    gate.add_permits(1);

    assert!(read_to_end_of(active).await.ends_with("done"));
    assert_eq!(
        (read_to_end_of(idle).await, read_to_end_of(slow).await),
        (String::new(), String::new())
    );
    server.task.await.unwrap().unwrap();
}
