//! What an operator submits from a page.

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

/// A form that an operator submitted from a page of this console: not a viewer, and not a page of
/// another site in their name.
#[derive(Debug)]
pub struct Submitted<T> {
    pub visitor: CurrentUser,
    pub form: T,
}

#[derive(Debug, Deserialize)]
struct Proof {
    csrf: String,
}

impl<T: DeserializeOwned> FromRequest<App> for Submitted<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let submitted: Self = submitted_by_anybody(request, app).await?;
        if submitted.visitor.may_operate() {
            return Ok(submitted);
        }
        let detail = "viewers look on; this takes the token of an operator";
        Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response())
    }
}

/// The same, from viewers as well.
pub async fn submitted_by_anybody<T: DeserializeOwned>(
    request: Request,
    app: &App,
) -> Result<Submitted<T>, Response> {
    let (mut parts, body) = request.into_parts();
    ensure_own_origin(&parts.headers).map_err(IntoResponse::into_response)?;
    let visitor = CurrentUser::from_request_parts(&mut parts, app);
    let visitor = visitor.await.map_err(IntoResponse::into_response)?;
    let request = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(request, &()).await.map_err(IntoResponse::into_response)?;
    let again = || Request::from_parts(parts.clone(), Body::from(body.clone()));
    let proof = Form::<Proof>::from_request(again(), &()).await.ok();
    if !proof.is_some_and(|Form(proof)| visitor.csrf_matches(&proof.csrf)) {
        return Err(stale().into_response());
    }
    let Form(form) = Form::from_request(again(), &()).await.map_err(|rejection| {
        Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()).into_response()
    })?;
    Ok(Submitted { visitor, form })
}

fn stale() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "the form is not one of this session: load the page again and repeat what you did",
    )
}

/// # Errors
/// When a browser says that a page of another site sent this.
pub fn ensure_own_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = match (text("sec-fetch-site"), headers.contains_key(ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, true) => is_host(text(ORIGIN.as_str()), text(HOST.as_str())),
        // No browser of today; whoever it is must know the session's token.
        (None, false) => true,
    };
    let detail = "a page of another site sent this";
    if is_own { Ok(()) } else { Err(Problem::new(StatusCode::FORBIDDEN, detail)) }
}

fn is_host(origin: Option<&str>, host: Option<&str>) -> bool {
    let authority = origin.and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    authority.is_some_and(|authority| Some(authority) == host)
}
