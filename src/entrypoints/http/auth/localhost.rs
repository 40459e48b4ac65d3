//! Whoever asks from this machine, where no tokens are set.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{Extensions, HeaderMap, StatusCode};

use super::Caller;
use crate::entrypoints::http::Problem;

/// With one of these, the sender is somebody else than the program that connects.
const SENT_ON: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];

/// The names of this machine that no other site can have.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whoever asks from this machine may do everything.
///
/// A browser on this machine does what pages of other sites tell it. It names such a site in
/// `Origin` or `Sec-Fetch-Site`, and in `Host` when the site has its own name resolve to this
/// machine. Programs send none of the first two.
///
/// # Errors
/// When it is somebody else, comes through a proxy, or was meant for another name; when a page of
/// another site sends it.
pub fn local_caller(extensions: &Extensions, headers: &HeaderMap) -> Result<Caller, Problem> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let is_near = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let is_sent_on = SENT_ON.iter().any(|name| headers.contains_key(*name));
    if !is_near || is_sent_on || !is_for_this_machine(headers) {
        return Err(Problem::unauthorized(
            "without tokens only this machine is answered: set HTTP_TOKENS (order-worker token new)",
        ));
    }
    if is_from_another_site(headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "a page of another site sent this"));
    }
    Ok(Caller::local())
}

fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = only(headers, HOST.as_str()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Another program on this machine is another site as well: its port differs. A link may lead here
/// from anywhere: browsers send no `Origin` with what only reads, and do not show the answer to the
/// page that the link is on.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    if headers.contains_key(ORIGIN) {
        let origin = only(headers, ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
        return origin.map(|(_, authority)| authority) != only(headers, HOST.as_str());
    }
    let is_a_link = only(headers, "sec-fetch-mode") == Some("navigate");
    match only(headers, "sec-fetch-site") {
        Some("same-origin" | "none") => false,
        Some(_) => !is_a_link,
        None => headers.contains_key("sec-fetch-site"),
    }
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// The status of the refusal; none for whoever may ask.
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
    fn this_machine_may_ask_by_each_of_its_names() {
        for peer in ["127.0.0.1:1", "127.3.2.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:8080"] {
                assert_eq!(refusal(peer, &[("host", host)]), None, "{peer} {host}");
            }
        }
    }

    #[test]
    fn another_machine_may_not_whatever_it_says() {
        for peer in ["192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1", "0.0.0.0:1"] {
            assert_eq!(refusal(peer, &[("host", "localhost")]), Some(StatusCode::UNAUTHORIZED));
        }
    }

    #[test]
    fn a_name_that_resolves_to_this_machine_is_not_one_of_its_own() {
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
    fn what_a_proxy_on_this_machine_sends_on_is_not_of_this_machine() {
        for header in SENT_ON {
            assert_eq!(refusal_with((header, "127.0.0.1")), Some(StatusCode::UNAUTHORIZED));
        }
    }

    #[test]
    fn a_page_of_another_site_may_not_have_its_browser_ask() {
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
    fn a_form_of_another_site_may_not_be_a_link_either() {
        let form = [
            ("host", "localhost:8080"),
            ("origin", "https://evil.example"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert_eq!(refusal("127.0.0.1:1", &form), Some(StatusCode::FORBIDDEN));
        // A link brings no origin.
        let link = [form[0], form[2], form[3]];
        assert_eq!(refusal("127.0.0.1:1", &link), None);
    }

    #[test]
    fn the_workers_own_pages_may_ask() {
        for header in [
            ("origin", "http://localhost:8080"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
        ] {
            assert_eq!(refusal_with(header), None, "{header:?}");
        }
    }
}
