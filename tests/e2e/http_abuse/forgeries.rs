//! Requests with forged credentials or origins.

use super::target::{Target, status};
use crate::amqp_client::place;

#[tokio::test]
async fn a_forged_token_is_refused() {
    let (target, secret) = Target::with_a_token().await;
    let last = secret.chars().next_back().unwrap();
    let other = if last == 'A' { 'B' } else { 'A' };
    for header in [
        String::new(),
        "Authorization: Token".to_owned(),
        "Authorization: Token ".to_owned(),
        "Authorization: Token owt_".to_owned(),
        format!("Authorization: {secret}"),
        format!("Authorization: Basic {secret}"),
        format!("Authorization: Token {}", &secret[..secret.len() - 1]),
        format!("Authorization: Token {}{other}", &secret[..secret.len() - 1]),
        format!("Authorization: Token {}", secret.to_uppercase()),
        format!("Authorization: Token {secret}{secret}"),
        format!("Authorization: Token {}", "x".repeat(10_000)),
        format!("Authorization: Token {secret}\r\nAuthorization: Token x"),
        format!("Authorization: Token x\r\nAuthorization: Token {secret}"),
        format!("X-Authorization: Token {secret}"),
        format!("Cookie: Authorization=Token {secret}"),
    ] {
        let response = target.send("POST", "/api/orders", &[&*header], &place("7"));
        assert_eq!(status(&response), 401, "{header}: {response}");
        assert!(response.contains("www-authenticate: Token"), "{response}");
    }
    assert_eq!(target.orders(&[&format!("Authorization: Token {secret}")]), [""; 0]);
}

#[tokio::test]
async fn a_forged_cookie_opens_no_page() {
    let (target, secret) = Target::with_a_token().await;
    for value in ["", "0", "ada", &secret, "local", &"A".repeat(43), "../../etc/passwd", "a; ada"] {
        let cookie = format!("Cookie: order_worker_session={value}");
        for path in ["/", "/orders", "/settings", "/events/stream"] {
            let response = target.send("GET", path, &[&*cookie], "");
            assert_eq!(status(&response), 303, "{value} {path}: {response}");
            assert!(response.contains("location: /sign-in"), "{response}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_site_places_no_order_by_a_browser_on_this_machine() {
    let target = Target::new().await;
    let port = target.address.rsplit_once(':').unwrap().1;
    for (expected, headers) in [
        (403, "Origin: https://evil.example"),
        (403, "Origin: null"),
        (403, "Origin: http://127.0.0.1"),
        (403, "Origin: http://127.0.0.1:80"),
        (403, "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors"),
        (403, "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors"),
        (
            403,
            "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate",
        ),
        (403, "Content-Type: text/plain\r\nOrigin: https://evil.example"),
        (401, "X-Forwarded-For: 127.0.0.1"),
        (401, "Forwarded: for=127.0.0.1"),
        (401, "Via: 1.1 proxy"),
    ] {
        let response = target.send("POST", "/api/orders", &[headers], &place("7"));
        assert_eq!(status(&response), expected, "{headers}: {response}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]"] {
        let rebound = format!("POST /api/orders HTTP/1.1\r\nHost: {host}:{port}\r\n");
        let response = target.response_to(rebound + "Connection: close\r\n\r\n");
        assert_eq!(status(&response), 401, "{host}: {response}");
    }
    assert_eq!(target.orders(&[]), [""; 0]);
}

#[tokio::test]
async fn the_stores_client_needs_no_browser_headers() {
    let target = Target::new().await;

    let without = target.send("POST", "/api/order/add/", &[], &place("7"));
    let json = ["Content-Type: application/json"];
    let with = target.send("PUT", "/api/order/add/", &json, &place("8"));

    assert_eq!((status(&without), status(&with)), (201, 201), "{without}\n{with}");
}
