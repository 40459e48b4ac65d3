//! Extractor of submitted forms.

use axum::Form;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::CurrentUser;
use crate::entrypoints::http::{App, Problem};

/// A form submitted by an operator from a page of this console. Viewers and forms of other sites (CSRF)
/// are rejected.
#[derive(Debug)]
pub struct Submitted<T> {
    pub user: CurrentUser,
    pub form: T,
}

#[derive(Debug, Deserialize)]
struct CsrfField {
    csrf: String,
}

impl<T: DeserializeOwned> FromRequest<App> for Submitted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let submitted: Self = submitted_by_any_user(request, app).await?;
        if submitted.user.may_operate() {
            return Ok(submitted);
        }
        let detail = "this action requires the role operator";
        Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response())
    }
}

/// The same for any signed-in user.
pub async fn submitted_by_any_user<T: DeserializeOwned>(
    request: Request,
    app: &App,
) -> Result<Submitted<T>, Response> {
    let (mut parts, body) = request.into_parts();
    ensure_own_origin(&parts.headers).map_err(IntoResponse::into_response)?;
    let user = CurrentUser::from_request_parts(&mut parts, app);
    let user = user.await.map_err(IntoResponse::into_response)?;
    let body = Bytes::from_request(Request::from_parts(parts.clone(), body), &())
        .await
        .map_err(IntoResponse::into_response)?;
    let request = || Request::from_parts(parts.clone(), Body::from(body.clone()));
    let field = Form::<CsrfField>::from_request(request(), &()).await.ok();
    if !field.is_some_and(|Form(field)| user.csrf_matches(&field.csrf)) {
        return Err(invalid_csrf().into_response());
    }
    let Form(form) = Form::from_request(request(), &()).await.map_err(|rejection| {
        Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()).into_response()
    })?;
    Ok(Submitted { user, form })
}

fn invalid_csrf() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "the form belongs to another session: reload the page and submit it again",
    )
}

/// # Errors
/// When the request comes from another site, by `Sec-Fetch-Site` or `Origin`.
pub fn ensure_own_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = match (text("sec-fetch-site"), headers.contains_key(ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, true) => is_host(text(ORIGIN.as_str()), text(HOST.as_str())),
        // Not a current browser. The CSRF token is still required.
        (None, false) => true,
    };
    let detail = "the request comes from another site";
    if is_own { Ok(()) } else { Err(Problem::new(StatusCode::FORBIDDEN, detail)) }
}

fn is_host(origin: Option<&str>, host: Option<&str>) -> bool {
    let authority = origin.and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    authority.is_some_and(|authority| Some(authority) == host)
}
