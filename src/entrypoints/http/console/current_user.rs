//! Who looks at a page.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{DOCTYPE, html};

use super::components::address;
use super::sessions::{Flash, Session, present_cookie};
use crate::entrypoints::http::auth::{Caller, Permission, local_caller};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::Outages;

/// Somebody who is signed in, or needs not be. An argument of a page's handler; whoever is neither
/// is sent to sign in.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    session: Arc<Session>,
    signed_in: bool,
    /// They have the page already, and the script looks for what is new.
    refreshes: bool,
    /// What the worker waits for.
    pub troubles: Outages,
}

/// Why somebody does not see a page.
#[derive(Debug)]
pub enum AuthRejection {
    /// They may sign in, and are then taken where they wanted to go.
    SignsIn {
        next: Option<String>,
    },
    /// They come by a link of another site, with which browsers send no cookie of ours.
    ComesAgain {
        to: String,
    },
    Refused(Problem),
}

impl CurrentUser {
    pub fn caller(&self) -> &Caller {
        &self.session.caller
    }

    /// Whether they can sign out.
    pub fn signed_in(&self) -> bool {
        self.signed_in
    }

    /// Whether to show them buttons.
    pub fn may_operate(&self) -> bool {
        self.caller().role.may(Permission::Operate)
    }

    /// The token for forms.
    pub fn csrf(&self) -> &str {
        &self.session.csrf
    }

    /// Whether a form is one of this visitor's pages.
    pub fn knows(&self, csrf: &str) -> bool {
        self.session.knows(csrf)
    }

    /// Has the next page begin with this.
    pub fn tell_next(&self, flash: Flash) {
        self.session.tell_next(flash);
    }

    /// Waits until they sign out, here or on another page.
    pub(super) async fn signed_out(&self) {
        self.session.over.cancelled().await;
    }

    pub(super) fn to_tell(&self) -> Option<Flash> {
        if self.refreshes { None } else { self.session.to_tell() }
    }
}

impl FromRequestParts<App> for CurrentUser {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, AuthRejection> {
        let session = session(parts, app)?;
        let Caller { name, role } = &session.caller;
        if !role.may(Permission::Read) {
            let detail =
                format!("the token {name} is one of a {role}, for whom there are no pages");
            return Err(AuthRejection::Refused(Problem::new(StatusCode::FORBIDDEN, detail)));
        }
        let signed_in = !app.tokens.is_empty();
        let refreshes = parts.headers.contains_key("x-refresh");
        Ok(Self { session, signed_in, refreshes, troubles: app.health.troubles() })
    }
}

fn session(parts: &Parts, app: &App) -> Result<Arc<Session>, AuthRejection> {
    if app.tokens.is_empty() {
        local_caller(&parts.extensions, &parts.headers).map_err(AuthRejection::Refused)?;
        return Ok(app.console.sessions.local());
    }
    let found = present_cookie(&parts.headers).and_then(|id| app.console.sessions.find(&id));
    let found = found.filter(|session| session.is_backed_by(&app.tokens));
    found.ok_or_else(|| {
        let wanted = (parts.method == Method::GET).then(|| path_of(&parts.uri));
        match wanted {
            Some(to) if comes_from_elsewhere(&parts.headers) => AuthRejection::ComesAgain { to },
            next => AuthRejection::SignsIn { next },
        }
    })
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |it| it.as_str()).to_owned()
}

fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        match self {
            Self::SignsIn { next } => {
                let next = next.filter(|next| next != "/").unwrap_or_default();
                Redirect::to(&address::with("/sign-in", &[("next", &next)])).into_response()
            }
            Self::ComesAgain { to } => once_more(&to),
            Self::Refused(problem) => problem.into_response(),
        }
    }
}

/// Asks for the page again, from a page of ours: now the browser sends the cookie, if it has one.
fn once_more(to: &str) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta http-equiv="refresh" content={ "0; url=" (to) }; title { "order-worker" } }
            body { p { a href=(to) { "Go on" } } }
        }
    };
    Html(page.into_string()).into_response()
}
