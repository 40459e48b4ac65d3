//! The server under clients that do not behave, with routes that do not either.

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
use super::{Connections, answer, limited};

const LARGE: usize = 64 * 1024 * 1024;

/// A server of these routes, on the test's own runtime and clock.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Served {
    fn new(routes: Router) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::default();
        let routes = limited(routes, Handle::current(), &connections.refusals);
        let stop = CancellationToken::new();
        let task = tokio::spawn(answer(listener, connections, routes, stop.clone()));
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

    /// Everything that comes until the connection is closed.
    async fn answer_to(&self, request: &str) -> String {
        rest_of(self.send(request).await).await
    }
}

async fn rest_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn last(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn fine() -> Router {
    Router::new().route("/", get(async || "fine"))
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_request_has_its_own() {
    let broken = async || -> &'static str { panic!("of all things") };
    let served = Served::new(fine().route("/broken", get(broken)));

    let answer = served.answer_to(&last("GET", "/broken")).await;

    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(
        answer.contains("application/problem+json") && !answer.contains("of all things"),
        "{answer}"
    );
    assert!(served.answer_to(&last("GET", "/")).await.ends_with("fine"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_its_sender_hears_so() {
    let served = Served::new(Router::new().route("/", post(async |_: Bytes| "taken")));
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\n";
    let body = "x".repeat(16 * 1024 * 1024);
    let sized = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n1000000\r\n{body}\r\n0\r\n\r\n");

    for request in [sized, chunked] {
        // All of it is taken, and the connection goes on.
        let mut stream = served.send(&request).await;
        stream.write_all(last("POST", "/").as_bytes()).await.unwrap();
        let answers = rest_of(stream).await;

        assert!(answers.starts_with("HTTP/1.1 413 "), "{answers}");
        assert!(answers.contains("application/problem+json"), "{answers}");
        assert!(answers.ends_with("taken"), "{answers}");
    }
}

#[tokio::test]
async fn a_client_that_asks_first_need_not_send_a_body_that_is_too_large() {
    let served = Served::new(Router::new().route("/", post(async |_: Bytes| "taken")));
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: ";

    let refused = served.answer_to(&format!("{head}16777216\r\n\r\n")).await;
    let mut stream = served.send(&format!("{head}2\r\nConnection: close\r\n\r\n")).await;
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    stream.write_all(b"{}").await.unwrap();

    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(rest_of(stream).await.ends_with("taken"));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_ends_the_connection() {
    let served = Served::new(fine());

    let answer = served.answer_to("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;

    assert_eq!(answer, "");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_told_so() {
    let served = Served::new(Router::new().route("/", post(async |_: Bytes| "taken")));
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";

    let answer = served.answer_to(head).await;

    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_end_is_given_up() {
    let served = Served::new(Router::new().route("/", get(std::future::pending::<&str>)));

    let answer = served.answer_to(&last("GET", "/")).await;

    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
    let served = Served::new(Router::new().route("/", get(async || vec![b'x'; LARGE])));
    let stream = served.send(&last("GET", "/")).await;

    tokio::time::sleep(Duration::from_secs(60)).await;

    assert!(rest_of(stream).await.len() < LARGE);
}

#[tokio::test]
async fn a_client_that_goes_takes_its_request_with_it() {
    let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (signal, signal_on_drop) = (begun.clone(), dropped.clone());
    let handler = async move || {
        let _on_drop = OnDrop(signal_on_drop);
        signal.notify_one();
        std::future::pending::<()>().await;
    };
    let served = Served::new(Router::new().route("/", get(handler)));

    let stream = served.send(&last("GET", "/")).await;
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
async fn a_crowd_that_asks_nothing_keeps_nobody_out() {
    let served = Served::new(fine());
    let mut crowd = Vec::new();
    for _ in 0..2 * MAX_CONNECTIONS {
        crowd.push(served.connect().await);
    }

    let answer = served.answer_to(&last("GET", "/")).await;

    assert!(answer.ends_with("fine"), "{answer}");
    drop(crowd);
}

#[tokio::test]
async fn whoever_is_being_answered_does_not_make_room() {
    let gate = Arc::new(Semaphore::new(0));
    let waits = gate.clone();
    let handler = async move || drop(waits.acquire().await.unwrap());
    let served = Served::new(fine().route("/slow", get(handler)));
    let mut answers = Vec::new();
    for _ in 0..=MAX_CONNECTIONS {
        let stream = served.send(&last("GET", "/slow")).await;
        answers.push(tokio::spawn(rest_of(stream)));
    }

    gate.add_permits(1);

    for answer in answers {
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_stream_of_events_ends_with_the_worker() {
    let events = || Body::from_stream(tokio_stream::pending::<Result<Bytes, Infallible>>());
    let route = get(async move || ([(CONTENT_TYPE, "text/event-stream")], events()));
    let served = Served::new(Router::new().route("/", route));
    let mut stream = served.send(&last("GET", "/")).await;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    served.stop.cancel();
    served.task.await.unwrap().unwrap();

    assert!(rest_of(stream).await.contains("text/event-stream"));
}

#[tokio::test]
async fn a_worker_that_stops_answers_what_was_asked_and_waits_for_nobody_else() {
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (signal, waits) = (begun.clone(), gate.clone());
    let handler = async move || {
        signal.notify_one();
        drop(waits.acquire().await.unwrap());
        "answered"
    };
    let served = Served::new(Router::new().route("/", get(handler)));
    let idle = served.connect().await;
    let slow = served.send("GET / HTTP/1.1\r\nHost: ").await;
    let asking = served.send(&last("GET", "/")).await;
    begun.notified().await;

    served.stop.cancel();
    gate.add_permits(1);

    assert!(rest_of(asking).await.ends_with("answered"));
    assert_eq!((rest_of(idle).await, rest_of(slow).await), (String::new(), String::new()));
    served.task.await.unwrap().unwrap();
}
