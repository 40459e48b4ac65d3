//! Authenticates requests and checks permissions.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::{Caller, Permission, local_caller};
use crate::entrypoints::http::{App, Problem};

/// Protects a route with a permission.
pub fn require_permission(
    app: &App,
    permission: Permission,
    route: MethodRouter<App>,
) -> MethodRouter<App> {
    route.route_layer(from_fn_with_state((app.clone(), permission), guard))
}

/// Passes a request on if its caller has the permission, with the [`Caller`] as an extension.
///
/// Tokens are sent as `Authorization: Token <key>`; `Bearer` is accepted as well. Without tokens in the
/// settings, see [`local_caller`].
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
            let detail =
                format!("the token {name} has the role {role}, which does not permit this");
            Problem::new(StatusCode::FORBIDDEN, detail).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn caller(app: &App, request: &Request) -> Result<Caller, Problem> {
    if !app.tokens.are_required() {
        return local_caller(request.extensions(), request.headers());
    }
    let key = token(request.headers()).ok_or_else(|| {
        Problem::unauthorized("a token is required: the header Authorization: Token <key>")
    })?;
    app.tokens.caller(key)?.ok_or_else(|| Problem::unauthorized("the token is unknown"))
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    // With two headers, a proxy in front may have checked the other one.
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, key) = only.to_str().ok()?.split_once(' ')?;
    let is_known = ["token", "bearer"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then(|| key.trim())
}

/// The caller, on a route behind [`require_permission`].
#[derive(Debug, Clone)]
pub struct Authenticated(pub Caller);

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(|| Problem::unauthorized("the route requires no permission"))
    }
}
