//! The cookie that holds a session's id.

use axum::http::header::{COOKIE, HeaderMap};
use cookie::{Cookie, SameSite};

const NAME: &str = "order_worker_session";

/// The id that a browser shows.
pub fn present_cookie(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let cookies = texts.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let mut ours = cookies.filter(|cookie| cookie.name() == NAME);
    let found = ours.next()?.value().to_owned();
    // Two of them are none: one was put there by another program on this host.
    ours.next().is_none().then_some(found)
}

/// The cookie of a session that begins; it goes with the browser's session.
pub fn session_cookie(id: &str, headers: &HeaderMap) -> String {
    built(id, headers).to_string()
}

/// Has the browser forget the cookie.
pub fn ended_cookie(headers: &HeaderMap) -> String {
    let mut cookie = built("", headers);
    cookie.make_removal();
    cookie.to_string()
}

fn built(id: &str, headers: &HeaderMap) -> Cookie<'static> {
    Cookie::build((NAME, id.to_owned()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(came_by_https(headers))
        .build()
}

fn came_by_https(headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
    let last = scheme.and_then(|schemes| schemes.rsplit(',').next());
    last.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}
