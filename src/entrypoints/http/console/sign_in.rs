//! Signing in with a token, and signing out.

use axum::Form;
use axum::extract::{Query, Request, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::components::notice;
use super::layout::bare_page;
use super::sessions::{client_address, removal_cookie, session_cookie, session_id};
use super::submitted::{Submitted, ensure_own_origin, submitted_by_any_user};
use crate::entrypoints::http::auth::{Permission, TokenHash};
use crate::entrypoints::http::{App, Problem};

#[derive(Debug, Default, Deserialize)]
pub struct Next {
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Credentials {
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Debug, Deserialize)]
struct Nothing {}

pub async fn show(State(app): State<App>, Query(Next { next }): Query<Next>) -> Response {
    if !app.tokens.are_required() {
        return Redirect::to("/").into_response();
    }
    bare_page("Sign in", form(&next.unwrap_or_default(), None)).into_response()
}

fn form(next: &str, error: Option<&str>) -> Markup {
    html! {
        h1 { "Sign in" }
        @if let Some(error) = error { (notice::error(&html! { (error) })) }
        form method="post" action="/sign-in" class="stack" {
            input type="hidden" name="next" value=(next);
            // Password managers need a user name to store the token.
            input type="text" name="username" value="order-worker" autocomplete="username" hidden;
            label for="token" { "Token" }
            input #token type="password" name="token" required autofocus
                autocomplete="current-password" spellcheck="false" aria-describedby="token-help";
            p #token-help .hint {
                "Of an operator or a viewer. " code { "order-worker token new" }
                " creates one; add its line to " code { "HTTP_TOKENS" } "."
            }
            button .primary type="submit" { "Sign in" }
        }
    }
}

/// Starts a session for a valid token, and ends the browser's previous session.
pub async fn sign_in(
    State(app): State<App>,
    parts: Parts,
    Form(Credentials { token, next }): Form<Credentials>,
) -> Result<Response, Problem> {
    ensure_own_origin(&parts.headers)?;
    let address = client_address(&parts);
    if let Some(wait) = app.console.attempts.retry_after(address) {
        return Ok(too_many_attempts(&next, wait.as_secs() + 1));
    }
    let token = token.trim();
    let Some(caller) = app.tokens.caller(token)? else {
        app.console.attempts.record_failure(address);
        tracing::warn!(%address, "Sign-in refused: unknown token");
        return Ok(refused(StatusCode::UNAUTHORIZED, &next, "The token is unknown."));
    };
    if !caller.role.may(Permission::Read) {
        let error = "The token has the role store. The console is for viewers and operators.";
        return Ok(refused(StatusCode::FORBIDDEN, &next, error));
    }
    end_session(&app, &parts.headers);
    tracing::info!(caller = caller.name, role = %caller.role, %address, "Signed in");
    let id = app.console.sessions.start(caller, TokenHash::of(token));
    let cookie = session_cookie(&id, &parts.headers);
    Ok(([(SET_COOKIE, cookie)], Redirect::to(local_path(&next))).into_response())
}

fn refused(status: StatusCode, next: &str, error: &str) -> Response {
    (status, bare_page("Sign in", form(next, Some(error)))).into_response()
}

fn too_many_attempts(next: &str, seconds: u64) -> Response {
    let error = format!("Too many wrong tokens from your address. Try again in {seconds} s.");
    let page = refused(StatusCode::TOO_MANY_REQUESTS, next, &error);
    ([(RETRY_AFTER, seconds.to_string())], page).into_response()
}

pub async fn sign_out(State(app): State<App>, request: Request) -> Result<Response, Response> {
    let headers = request.headers().clone();
    let Submitted { user, form: Nothing {} } = submitted_by_any_user(request, &app).await?;
    end_session(&app, &headers);
    tracing::info!(caller = user.caller().name, "Signed out");
    Ok(([(SET_COOKIE, removal_cookie(&headers))], Redirect::to("/sign-in")).into_response())
}

fn end_session(app: &App, headers: &HeaderMap) {
    if let Some(id) = session_id(headers) {
        app.console.sessions.end(&id);
    }
}

/// The path if it stays on this site, else `/`.
fn local_path(next: &str) -> &str {
    let rest = next.strip_prefix('/');
    let is_local = rest.is_some_and(|rest| !rest.starts_with(['/', '\\']))
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if is_local { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leaves_this_site() {
        for next in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "evil"]
        {
            assert_eq!(local_path(next), "/", "{next}");
        }
        assert_eq!(local_path("/orders?status=Received"), "/orders?status=Received");
    }
}
