//! The user of a page.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{DOCTYPE, html};

use super::components::address;
use super::sessions::{Flash, Session, session_id};
use crate::entrypoints::http::auth::{Caller, Permission, local_caller};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::Outages;

/// The user of a page: signed in, or on localhost if no token is required. An extractor for handlers;
/// others are redirected to the sign-in page.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    session: Arc<Session>,
    signed_in: bool,
    /// The page's script requests this to refresh the page.
    refreshes: bool,
    /// The servers that are unavailable.
    pub outages: Outages,
}

/// Why a page is not shown.
#[derive(Debug)]
pub enum AuthRejection {
    /// The user has to sign in, and is then redirected to `next`.
    SignInRequired {
        next: Option<String>,
    },
    /// The request follows a link on another site, so the browser did not send the `SameSite=Strict`
    /// cookie.
    CrossSiteLink {
        to: String,
    },
    Refused(Problem),
}

impl CurrentUser {
    pub fn caller(&self) -> &Caller {
        &self.session.caller
    }

    /// Whether the user can sign out.
    pub fn signed_in(&self) -> bool {
        self.signed_in
    }

    /// Whether to show buttons.
    pub fn may_operate(&self) -> bool {
        self.caller().role.may(Permission::Operate)
    }

    /// The CSRF token for forms.
    pub fn csrf(&self) -> &str {
        &self.session.csrf
    }

    /// Whether a form comes from a page of this session.
    pub fn csrf_matches(&self, csrf: &str) -> bool {
        self.session.csrf_matches(csrf)
    }

    /// Shows a notice on the next page.
    pub fn set_flash(&self, flash: Flash) {
        self.session.set_flash(flash);
    }

    /// Waits until the user signs out, here or on another page.
    pub(super) async fn signed_out(&self) {
        self.session.ended.cancelled().await;
    }

    pub(super) fn take_flash(&self) -> Option<Flash> {
        if self.refreshes { None } else { self.session.take_flash() }
    }
}

impl FromRequestParts<App> for CurrentUser {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, AuthRejection> {
        let session = session(parts, app)?;
        let Caller { name, role } = &session.caller;
        if !role.may(Permission::Read) {
            let detail =
                format!("the token {name} has the role {role}, which cannot use the console");
            return Err(AuthRejection::Refused(Problem::new(StatusCode::FORBIDDEN, detail)));
        }
        let signed_in = app.tokens.are_required();
        let refreshes = parts.headers.contains_key("x-refresh");
        Ok(Self { session, signed_in, refreshes, outages: app.health.outages() })
    }
}

fn session(parts: &Parts, app: &App) -> Result<Arc<Session>, AuthRejection> {
    if !app.tokens.are_required() {
        local_caller(&parts.extensions, &parts.headers).map_err(AuthRejection::Refused)?;
        return Ok(app.console.sessions.local());
    }
    let found = session_id(&parts.headers).and_then(|id| app.console.sessions.find(&id));
    if let Some(session) = found
        && session.is_valid(&app.tokens).map_err(|error| AuthRejection::Refused(error.into()))?
    {
        return Ok(session);
    }
    let path = (parts.method == Method::GET).then(|| path_of(&parts.uri));
    match path {
        Some(to) if is_cross_site(&parts.headers) => Err(AuthRejection::CrossSiteLink { to }),
        next => Err(AuthRejection::SignInRequired { next }),
    }
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |it| it.as_str()).to_owned()
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        match self {
            Self::SignInRequired { next } => {
                let next = next.filter(|next| next != "/").unwrap_or_default();
                Redirect::to(&address::with("/sign-in", &[("next", &next)])).into_response()
            }
            Self::CrossSiteLink { to } => reload(&to),
            Self::Refused(problem) => problem.into_response(),
        }
    }
}

/// Requests the page again from a page of this site, with which the browser sends the cookie.
fn reload(to: &str) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta http-equiv="refresh" content={ "0; url=" (to) }; title { "order-worker" } }
            body { p { a href=(to) { "Continue" } } }
        }
    };
    Html(page.into_string()).into_response()
}
