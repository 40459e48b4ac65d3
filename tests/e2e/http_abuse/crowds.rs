//! More connections than the worker has places.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::target::{Target, status};
use crate::amqp_client::place;

/// Lets this process have so many files open.
fn open_files(wanted: u64) {
    let present = getrlimit(Resource::Nofile);
    if present.current.is_some_and(|current| current < wanted) {
        let most = present.maximum.unwrap_or(wanted);
        assert!(most >= wanted, "raise the hard limit of open files to {wanted}: ulimit -Hn");
        let raised = Rlimit { current: Some(wanted), maximum: present.maximum };
        setrlimit(Resource::Nofile, raised).unwrap();
    }
}

/// Connections that have sent this and stay open.
async fn crowd(target: &Target, size: usize, sent: &'static str) -> Vec<TcpStream> {
    let mut connecting = JoinSet::new();
    for _ in 0..size {
        let address = target.address.clone();
        connecting.spawn(async move {
            let connecting = TcpStream::connect(address);
            let mut stream =
                tokio::time::timeout(Duration::from_secs(120), connecting).await.unwrap().unwrap();
            // It may have had to make room already.
            let _ = stream.write_all(sent.as_bytes()).await;
            stream
        });
    }
    connecting.join_all().await
}

fn assert_is_served(target: &Target, order_id: &str) {
    let answer = target.ask("POST", "/api/orders", &[], &place(order_id));
    assert_eq!(status(&answer), 201, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    open_files(11_000);
    let target = Target::new().await;

    let crowd = crowd(&target, 10_000, "").await;

    assert_eq!(crowd.len(), 10_000);
    for order in 0..10 {
        assert_is_served(&target, &order.to_string());
    }
    drop(crowd);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_do_those_whose_requests_do_not_end() {
    open_files(11_000);
    let target = Target::new().await;
    for (order, begun) in [
        "G",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 262144\r\n\r\n{",
        "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{",
    ]
    .into_iter()
    .enumerate()
    {
        let crowd = crowd(&target, 1_500, begun).await;
        assert_is_served(&target, &order.to_string());
        drop(crowd);
    }
}
