//! The cookie with the session id.

use axum::http::header::{COOKIE, HeaderMap};
use cookie::{Cookie, SameSite};

const NAME: &str = "order_worker_session";

/// The session id that the browser sends.
pub fn session_id(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let cookies = texts.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let mut ours = cookies.filter(|cookie| cookie.name() == NAME);
    let found = ours.next()?.value().to_owned();
    // With two cookies, one was set by another program on this host: neither is trusted.
    ours.next().is_none().then_some(found)
}

/// The cookie of a new session. The browser deletes it when it is closed.
pub fn session_cookie(id: &str, headers: &HeaderMap) -> String {
    build(id, headers).to_string()
}

/// Makes the browser delete the cookie.
pub fn removal_cookie(headers: &HeaderMap) -> String {
    let mut cookie = build("", headers);
    cookie.make_removal();
    cookie.to_string()
}

fn build(id: &str, headers: &HeaderMap) -> Cookie<'static> {
    Cookie::build((NAME, id.to_owned()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_https(headers))
        .build()
}

fn is_https(headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
    let last = scheme.and_then(|schemes| schemes.rsplit(',').next());
    last.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}
