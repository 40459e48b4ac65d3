//! Requests from localhost, which need no token if none are set.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{Extensions, HeaderMap, StatusCode};

use super::Caller;
use crate::entrypoints::http::Problem;

/// Headers that proxies add: the client is not the program that connects.
const PROXY_HEADERS: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];

/// Host names that always mean this machine.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The caller of a request from localhost, who has full access.
///
/// A browser on this machine also sends requests for pages of other sites. It names the site in `Origin`
/// or `Sec-Fetch-Site`, or in `Host` if the site's own name resolves to this machine (DNS rebinding).
/// Other programs do not send the first two.
///
/// # Errors
/// 401 when the request comes from another machine, through a proxy, or for another host name; 403 when
/// a page of another site sent it.
pub fn local_caller(extensions: &Extensions, headers: &HeaderMap) -> Result<Caller, Problem> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let is_loopback = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let is_proxied = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
    if !is_loopback || is_proxied || !has_local_host(headers) {
        return Err(Problem::unauthorized(
            "without tokens, only localhost can connect: set HTTP_TOKENS (order-worker token new)",
        ));
    }
    if is_cross_site(headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "cross-site request"));
    }
    Ok(Caller::local())
}

fn has_local_host(headers: &HeaderMap) -> bool {
    let Some(host) = single(headers, HOST.as_str()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    LOCAL_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Another port on this machine is another site as well. A link on another site may lead here: with a
/// navigation that only reads, browsers send no `Origin`, and the linking page cannot read the response.
fn is_cross_site(headers: &HeaderMap) -> bool {
    if headers.contains_key(ORIGIN) {
        let origin = single(headers, ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
        return origin.map(|(_, authority)| authority) != single(headers, HOST.as_str());
    }
    let is_navigation = single(headers, "sec-fetch-mode") == Some("navigate");
    match single(headers, "sec-fetch-site") {
        Some("same-origin" | "none") => false,
        Some(_) => !is_navigation,
        None => headers.contains_key("sec-fetch-site"),
    }
}

/// The value of a header that is not repeated.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// The status of the refusal, if the request is refused.
    fn refusal(peer: &str, headers: &[(&'static str, &str)]) -> Option<StatusCode> {
        let mut extensions = Extensions::new();
        let peer: SocketAddr = peer.parse().unwrap();
        extensions.insert(ConnectInfo(peer));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        local_caller(&extensions, &map).err().map(|problem| problem.status)
    }

    fn refusal_with(header: (&'static str, &str)) -> Option<StatusCode> {
        refusal("127.0.0.1:5000", &[("host", "localhost:8080"), header])
    }

    #[test]
    fn localhost_may_connect_by_each_of_its_names() {
        for peer in ["127.0.0.1:1", "127.3.2.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:8080"] {
                assert_eq!(refusal(peer, &[("host", host)]), None, "{peer} {host}");
            }
        }
    }

    #[test]
    fn another_machine_may_not_connect_whatever_its_headers() {
        for peer in ["192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1", "0.0.0.0:1"] {
            assert_eq!(refusal(peer, &[("host", "localhost")]), Some(StatusCode::UNAUTHORIZED));
        }
    }

    #[test]
    fn a_host_name_that_only_resolves_to_this_machine_is_refused() {
        for hosts in [
            &["evil.example"][..],
            &["localhost.evil.example"],
            &["localhost:80:80"],
            &["127.0.0.1.nip.io"],
            &["localhost."],
            &[""],
            &[],
            &["localhost", "evil.example"],
            &["localhost", "localhost"],
        ] {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            let refused = refusal("127.0.0.1:1", &headers);
            assert_eq!(refused, Some(StatusCode::UNAUTHORIZED), "{hosts:?}");
        }
    }

    #[test]
    fn a_request_through_a_proxy_on_this_machine_is_refused() {
        for header in PROXY_HEADERS {
            assert_eq!(refusal_with((header, "127.0.0.1")), Some(StatusCode::UNAUTHORIZED));
        }
    }

    #[test]
    fn a_cross_site_request_is_refused() {
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:3000"),
            ("origin", "http://localhost"),
            ("origin", "null"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "?"),
        ] {
            assert_eq!(refusal_with(header), Some(StatusCode::FORBIDDEN), "{header:?}");
        }
    }

    #[test]
    fn a_cross_site_form_is_refused_and_a_link_is_not() {
        let form = [
            ("host", "localhost:8080"),
            ("origin", "https://evil.example"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert_eq!(refusal("127.0.0.1:1", &form), Some(StatusCode::FORBIDDEN));
        // A link sends no origin.
        let link = [form[0], form[2], form[3]];
        assert_eq!(refusal("127.0.0.1:1", &link), None);
    }

    #[test]
    fn the_workers_own_pages_may_send_requests() {
        for header in [
            ("origin", "http://localhost:8080"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
        ] {
            assert_eq!(refusal_with(header), None, "{header:?}");
        }
    }
}
