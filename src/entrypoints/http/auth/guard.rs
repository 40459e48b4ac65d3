//! Finds out who is asking, and whether they may.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::{Caller, Permission, local_caller};
use crate::entrypoints::http::{App, Problem};

/// Puts a route behind a permission.
pub fn require_permission(
    app: &App,
    permission: Permission,
    route: MethodRouter<App>,
) -> MethodRouter<App> {
    route.route_layer(from_fn_with_state((app.clone(), permission), guard))
}

/// Lets a request pass whose sender may do what the route takes, and tells the route who that is.
///
/// A token comes as `Authorization: Token <key>`; `Bearer` is taken as well. Where no tokens are set,
/// see [`local_caller`].
async fn guard(
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

fn token(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    // Of two it is not known which one a proxy in front has looked at.
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, key) = only.to_str().ok()?.split_once(' ')?;
    let is_known = ["token", "bearer"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then(|| key.trim())
}

/// Who is asking, for a route behind [`require_permission`].
#[derive(Debug, Clone)]
pub struct Authenticated(pub Caller);

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(|| Problem::unauthorized("nobody is asking"))
    }
}
