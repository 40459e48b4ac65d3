//! Malformed requests.

use super::target::{Target, request, status};

const HOST: &str = "Host: localhost\r\n";

fn get(headers: &str) -> String {
    format!("GET /health/live HTTP/1.1\r\n{HOST}{headers}Connection: close\r\n\r\n")
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /api/orders HTTP/1.1\r\n{HOST}{headers}\r\n{body}")
}

#[tokio::test]
async fn a_malformed_request_is_refused_and_its_connection_closed() {
    let target = Target::new().await;
    for (bytes, expected) in [
        ("\u{16}\u{3}\u{1}\u{2}".to_owned() + &"x".repeat(300), 400),
        ("GET /health/live HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400),
        (get(HOST), 400),
        (get("Host: other.example\r\n"), 400),
        (get("X: a\r\n b\r\n"), 400),
        (get("No colon\r\n"), 400),
        (get("Content-Length : 0\r\n"), 400),
        (get(&"X: y\r\n".repeat(100)), 431),
        (get(&format!("X: {}\r\n", "y".repeat(20_000))), 431),
        (get(&format!("X: {}\r\n", "y".repeat(2_000_000))), 431),
        (post("Content-Length: -1\r\n", ""), 400),
        (post("Content-Length: 4\r\nContent-Length: 5\r\n", "{}   "), 400),
        (post("Content-Length: 99999999999999999999\r\n", "{}"), 400),
        (post("Transfer-Encoding: gzip\r\n", "{}"), 400),
        (post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), 400),
        (post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}"), 400),
    ] {
        let response = target.response_to(&bytes);
        assert_eq!(status(&response), expected, "{:.80}: {response}", bytes.escape_debug());
    }
    assert_eq!(target.orders(&[]), [""; 0]);
}

/// Request smuggling: a proxy in front and the worker must agree where a request ends, because the next
/// one on the connection may be another client's.
#[tokio::test]
async fn a_request_with_an_ambiguous_end_is_the_last_on_its_connection() {
    let target = Target::new().await;
    let next = request("GET", "/health/live", &["Host: localhost"], "");
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let responses = target.response_to(post(headers, &format!("0\r\n\r\n{next}")));

        assert_eq!(status(&responses), 400, "{headers}: {responses}");
        assert_eq!(responses.matches("HTTP/1.1 ").count(), 1, "{headers}: {responses}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let target = Target::new().await;
    let requests = [
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &request("HEAD", "/health/live", &["Host: localhost"], ""),
    ];

    let responses = target.response_to(requests.concat());

    let statuses: Vec<u16> = responses.split("HTTP/1.1").skip(1).map(status).collect();
    assert_eq!(statuses, [200, 404, 200], "{responses}");
}

#[tokio::test]
async fn a_host_in_the_request_target_must_match_the_host_header() {
    let target = Target::new().await;
    let absolute = "GET http://localhost/health/live HTTP/1.1\r\nConnection: close\r\n";

    let same = target.response_to(format!("{absolute}{HOST}\r\n"));
    let other = target.response_to(format!("{absolute}Host: other.example\r\n\r\n"));

    assert_eq!((status(&same), status(&other)), (200, 400), "{same}\n{other}");
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_response_and_its_connection_is_closed() {
    let target = Target::new().await;

    let response = target.response_to("GET /health/live HTTP/1.0\r\n\r\n");

    assert!(response.starts_with("HTTP/1.0 200 ") && response.ends_with("alive\n"), "{response}");
}

#[tokio::test]
async fn the_sender_of_a_body_of_16_mib_gets_a_413() {
    let target = Target::new().await;
    let body = " ".repeat(16 * 1024 * 1024);

    let sized = target.send("POST", "/api/orders", &[], &body);
    let chunks = format!("1000000\r\n{body}\r\n0\r\n\r\n");
    let chunked =
        target.response_to(post("Transfer-Encoding: chunked\r\nConnection: close\r\n", &chunks));

    for response in [sized, chunked] {
        assert_eq!(status(&response), 413, "{response}");
        assert!(response.contains("application/problem+json"), "{response}");
    }
}
