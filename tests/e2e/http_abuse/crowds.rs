//! More connections than the worker keeps open.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::target::{Target, status};
use crate::amqp_client::place;

/// Raises the limit of open files of this process.
fn raise_open_files(wanted: u64) {
    let present = getrlimit(Resource::Nofile);
    if present.current.is_some_and(|current| current < wanted) {
        let maximum = present.maximum.unwrap_or(wanted);
        assert!(maximum >= wanted, "raise the hard limit of open files to {wanted}: ulimit -Hn");
        let raised = Rlimit { current: Some(wanted), maximum: present.maximum };
        setrlimit(Resource::Nofile, raised).unwrap();
    }
}

/// Opens connections that send these bytes and stay open.
async fn connect_many(target: &Target, size: usize, sent: &'static str) -> Vec<TcpStream> {
    let mut connecting = JoinSet::new();
    for _ in 0..size {
        let address = target.address.clone();
        connecting.spawn(async move {
            let connecting = TcpStream::connect(address);
            let mut stream =
                tokio::time::timeout(Duration::from_secs(120), connecting).await.unwrap().unwrap();
            // It may have been closed already to make room.
            let _ = stream.write_all(sent.as_bytes()).await;
            stream
        });
    }
    connecting.join_all().await
}

fn assert_served(target: &Target, order_id: &str) {
    let response = target.send("POST", "/api/orders", &[], &place(order_id));
    assert_eq!(status(&response), 201, "{response}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_keep_no_client_out() {
    raise_open_files(11_000);
    let target = Target::new().await;

    let connections = connect_many(&target, 10_000, "").await;

    assert_eq!(connections.len(), 10_000);
    for order in 0..10 {
        assert_served(&target, &order.to_string());
    }
    drop(connections);
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_requests_keep_no_client_out() {
    raise_open_files(11_000);
    let target = Target::new().await;
    for (order, unfinished) in [
        "G",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 262144\r\n\r\n{",
        "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{",
    ]
    .into_iter()
    .enumerate()
    {
        let connections = connect_many(&target, 1_500, unfinished).await;
        assert_served(&target, &order.to_string());
        drop(connections);
    }
}
