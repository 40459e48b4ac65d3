//! Signing in with a token, and out.

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
use super::sessions::{ended_cookie, origin_of, present_cookie, session_cookie};
use super::submitted::{Submitted, ensure_own_origin, submitted_by_anybody};
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
    if app.tokens.is_empty() {
        return Redirect::to("/").into_response();
    }
    bare_page("Sign in", form(&next.unwrap_or_default(), None)).into_response()
}

fn form(next: &str, trouble: Option<&str>) -> Markup {
    html! {
        h1 { "Sign in" }
        @if let Some(trouble) = trouble { (notice::trouble(&html! { (trouble) })) }
        form method="post" action="/sign-in" class="stack" {
            input type="hidden" name="next" value=(next);
            // For password managers, which keep a token by a name.
            input type="text" name="username" value="order-worker" autocomplete="username" hidden;
            label for="token" { "Token" }
            input #token type="password" name="token" required autofocus
                autocomplete="current-password" spellcheck="false" aria-describedby="token-help";
            p #token-help .hint {
                "Of an operator or a viewer: " code { "order-worker token new" }
                " prints one, and its line belongs into " code { "HTTP_TOKENS" } "."
            }
            button .primary type="submit" { "Sign in" }
        }
    }
}

/// Begins a session for whoever knows a token. A session that there was ends.
pub async fn sign_in(
    State(app): State<App>,
    parts: Parts,
    Form(Credentials { token, next }): Form<Credentials>,
) -> Result<Response, Problem> {
    ensure_own_origin(&parts.headers)?;
    let address = origin_of(&parts);
    if let Some(wait) = app.console.attempts.wait_of(address) {
        return Ok(too_often(&next, wait.as_secs() + 1));
    }
    let token = token.trim();
    let Some(caller) = app.tokens.caller(token) else {
        app.console.attempts.note_failure(address);
        tracing::warn!(%address, "Somebody tried to sign in with an unknown token");
        return Ok(refused(StatusCode::UNAUTHORIZED, &next, "The token is not known."));
    };
    if !caller.role.may(Permission::Read) {
        let trouble = "The token is one of a store. The console takes viewers and operators.";
        return Ok(refused(StatusCode::FORBIDDEN, &next, trouble));
    }
    end_present_session(&app, &parts.headers);
    tracing::info!(caller = caller.name, role = %caller.role, %address, "Signed in");
    let id = app.console.sessions.begin(caller, TokenHash::of(token));
    let cookie = session_cookie(&id, &parts.headers);
    Ok(([(SET_COOKIE, cookie)], Redirect::to(local_path(&next))).into_response())
}

fn refused(status: StatusCode, next: &str, trouble: &str) -> Response {
    (status, bare_page("Sign in", form(next, Some(trouble)))).into_response()
}

fn too_often(next: &str, seconds: u64) -> Response {
    let trouble = format!("Too many wrong tokens from your address. Try again in {seconds} s.");
    let page = refused(StatusCode::TOO_MANY_REQUESTS, next, &trouble);
    ([(RETRY_AFTER, seconds.to_string())], page).into_response()
}

pub async fn sign_out(State(app): State<App>, request: Request) -> Result<Response, Response> {
    let headers = request.headers().clone();
    let Submitted { visitor, form: Nothing {} } = submitted_by_anybody(request, &app).await?;
    end_present_session(&app, &headers);
    tracing::info!(caller = visitor.caller().name, "Signed out");
    Ok(([(SET_COOKIE, ended_cookie(&headers))], Redirect::to("/sign-in")).into_response())
}

fn end_present_session(app: &App, headers: &HeaderMap) {
    if let Some(id) = present_cookie(headers) {
        app.console.sessions.end(&id);
    }
}

/// A path of this console; `/` for what leads elsewhere.
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
    fn nobody_is_sent_to_another_site() {
        for next in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "evil"]
        {
            assert_eq!(local_path(next), "/", "{next}");
        }
        assert_eq!(local_path("/orders?status=Received"), "/orders?status=Received");
    }
}
