//! Malformed and unknown paths and methods.

use super::target::{Target, status};

#[tokio::test]
async fn no_path_escapes_the_routes_or_breaks_one() {
    let target = Target::new().await;
    for (path, expected) in [
        ("//", 404),
        ("//health/live", 404),
        ("/health//live", 404),
        ("/health/live/", 404),
        ("/health/./live", 404),
        ("/health/ready/../live", 404),
        ("/../../../../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/assets/..%2f..%2f..%2fetc%2fpasswd", 404),
        ("/assets/%2e%2e%5c%2e%2e%5cetc%5cpasswd", 404),
        ("/api/orders/%00", 400),
        ("/api/orders/%ff%fe", 400),
        ("/api/orders/..%2f..", 404),
        ("/api/customer/%00/orders/get/", 400),
        ("/api/customer/%c3%28/orders/get/", 400),
        ("/api/order/status/-1/get/", 400),
        ("/api/order/status/99999999999999999999/get/", 400),
        ("/api/orders?customer=%00", 400),
        ("/api/orders?limit=-1", 400),
        ("/api/orders?limit=99999999999999999999", 400),
        ("/health/live?a=%zz&&&==", 200),
        ("*", 404),
    ] {
        let response = target.send("GET", path, &[], "");
        assert_eq!(status(&response), expected, "{path}: {response}");
        let is_problem = response.contains("content-type: application/problem+json");
        assert!(is_problem || expected == 200, "{path}: {response}");
    }
}

#[tokio::test]
async fn a_malformed_path_is_refused() {
    let target = Target::new().await;
    let long = format!("/{}", "x".repeat(64 * 1024));
    for (path, expected) in [
        (b"/\xff\xfe".as_slice(), 400),
        (b"/a\x00b", 400),
        (b"/a b", 400),
        (b"", 400),
        (b"health/live", 400),
        (b"ftp://localhost:99999/", 400),
        (b"http://other.example/health/live", 400),
        (long.as_bytes(), 431),
    ] {
        let head = [b"GET ", path, b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"];
        let response = target.response_to(head.concat());
        assert_eq!(status(&response), expected, "{}: {response}", String::from_utf8_lossy(path));
    }
}

#[tokio::test]
async fn an_unsupported_method_is_a_405() {
    let target = Target::new().await;
    for (method, path, expected) in [
        ("HEAD", "/health/live", 200),
        ("OPTIONS", "/health/live", 405),
        ("OPTIONS", "/api/orders", 405),
        ("TRACE", "/health/live", 405),
        ("DELETE", "/api/orders/7", 405),
        ("PATCH", "/api/orders", 405),
        ("BREW", "/api/orders", 405),
        ("GET", "/api/order/7/cancel", 405),
        ("CONNECT", "localhost:5672", 400),
    ] {
        let response = target.send(method, path, &[], "");
        assert_eq!(status(&response), expected, "{method} {path}: {response}");
        assert!(expected != 405 || response.contains("\r\nallow: "), "{method} {path}: {response}");
    }
    assert_eq!(target.orders(&[]), [""; 0]);
}
