//! Finds out who is asking, and whether they may.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Caller, Permission};
use crate::entrypoints::http::{App, Problem};

/// Lets a request pass whose sender may do what the route takes, and tells the route who that is.
///
/// A token comes as `Authorization: Token <key>`; `Bearer` is taken as well. While there are no
/// tokens, only this machine may ask, and only by a name of its own: a page of another site that
/// has its name resolve to this machine does not get through.
pub async fn guard(
    State((app, permission)): State<(App, Permission)>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&app, &request) {
        Ok(caller) if caller.role.may(permission) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Ok(Caller { name, role }) => {
            let detail = format!("the token {name} is one of a {role}, who may not do this");
            Problem::new(StatusCode::FORBIDDEN, detail).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn caller(app: &App, request: &Request) -> Result<Caller, Problem> {
    if app.tokens.is_empty() {
        return local_caller(request.extensions(), request.headers());
    }
    let key = token(request.headers()).ok_or_else(|| {
        Problem::unauthorized("a token is needed: the header Authorization: Token <key>")
    })?;
    app.tokens.caller(key).ok_or_else(|| Problem::unauthorized("the token is not known"))
}

/// Whoever asks from this machine.
///
/// # Errors
/// When it is somebody else, or the request was meant for another name.
pub fn local_caller(extensions: &Extensions, headers: &HeaderMap) -> Result<Caller, Problem> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let is_near = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    if is_near && is_for_this_machine(headers) {
        return Ok(Caller::local());
    }
    Err(Problem::unauthorized(
        "without tokens only this machine is answered: set HTTP_TOKENS (order-worker token new)",
    ))
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    ["token", "bearer"].contains(&scheme.to_ascii_lowercase().as_str()).then(|| key.trim())
}

fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

/// Who is asking, for a route behind [`guard`].
#[derive(Debug, Clone)]
pub struct Asking(pub Caller);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(|| Problem::unauthorized("nobody is asking"))
    }
}
