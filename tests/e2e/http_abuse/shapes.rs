//! Requests that are not what they should be.

use super::target::{Target, request, status};

const HOST: &str = "Host: localhost\r\n";

fn get(headers: &str) -> String {
    format!("GET /health/live HTTP/1.1\r\n{HOST}{headers}Connection: close\r\n\r\n")
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /api/orders HTTP/1.1\r\n{HOST}{headers}\r\n{body}")
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_its_connection_closed() {
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
        let answer = target.answer_to(&bytes);
        assert_eq!(status(&answer), expected, "{:.80}: {answer}", bytes.escape_debug());
    }
    assert_eq!(target.orders(&[]), [""; 0]);
}

/// A proxy in front and the worker must agree where a request ends: what follows on the connection
/// may be somebody else's.
#[tokio::test]
async fn a_request_whose_end_is_in_doubt_is_the_last_on_its_connection() {
    let target = Target::new().await;
    let next = request("GET", "/health/live", &["Host: localhost"], "");
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let answers = target.answer_to(post(headers, &format!("0\r\n\r\n{next}")));

        assert_eq!(status(&answers), 400, "{headers}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{headers}: {answers}");
    }
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_one_after_the_other() {
    let target = Target::new().await;
    let asked = [
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &request("HEAD", "/health/live", &["Host: localhost"], ""),
    ];

    let answers = target.answer_to(asked.concat());

    let statuses: Vec<u16> = answers.split("HTTP/1.1").skip(1).map(status).collect();
    assert_eq!(statuses, [200, 404, 200], "{answers}");
}

#[tokio::test]
async fn a_request_may_name_the_host_twice_if_that_is_the_same() {
    let target = Target::new().await;
    let absolute = "GET http://localhost/health/live HTTP/1.1\r\nConnection: close\r\n";

    let same = target.answer_to(format!("{absolute}{HOST}\r\n"));
    let other = target.answer_to(format!("{absolute}Host: other.example\r\n\r\n"));

    assert_eq!((status(&same), status(&other)), (200, 400), "{same}\n{other}");
}

#[tokio::test]
async fn a_client_of_http_1_0_is_answered_and_its_connection_closed() {
    let target = Target::new().await;

    let answer = target.answer_to("GET /health/live HTTP/1.0\r\n\r\n");

    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("alive\n"), "{answer}");
}

#[tokio::test]
async fn a_body_of_16_mib_is_refused_and_its_sender_hears_so() {
    let target = Target::new().await;
    let body = " ".repeat(16 * 1024 * 1024);

    let sized = target.ask("POST", "/api/orders", &[], &body);
    let chunks = format!("1000000\r\n{body}\r\n0\r\n\r\n");
    let chunked =
        target.answer_to(post("Transfer-Encoding: chunked\r\nConnection: close\r\n", &chunks));

    for answer in [sized, chunked] {
        assert_eq!(status(&answer), 413, "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}
