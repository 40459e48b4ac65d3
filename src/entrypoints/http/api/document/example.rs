//! Example requests for curl.

use std::fmt::Write;

use axum::http::Method;

use crate::config::DEFAULT_HTTP_ADDR;
use crate::entrypoints::http::api::endpoint::{Endpoint, ParameterPlace};
use crate::entrypoints::http::api::parameters::IDEMPOTENCY_KEY;

/// A call of the endpoint with curl.
pub fn curl(endpoint: &Endpoint) -> String {
    let mut call = "curl -H \"Authorization: Token $TOKEN\"".to_owned();
    if endpoint.methods.first() == Some(&Method::POST) && endpoint.body.is_none() {
        call += " -X POST";
    }
    if endpoint.takes(&IDEMPOTENCY_KEY) {
        add(
            &mut call,
            format_args!("-H \"{}: {}\"", IDEMPOTENCY_KEY.name, IDEMPOTENCY_KEY.example),
        );
    }
    if let Some(body) = &endpoint.body {
        add(&mut call, format_args!("-H \"Content-Type: application/json\" -d '{}'", body.example));
    }
    add(&mut call, format_args!("'http://{DEFAULT_HTTP_ADDR}{}'", path_and_query(endpoint)));
    call
}

fn add(call: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(call, " \\\n  {part}");
}

/// The path with examples for its parameters, and the first query parameter.
fn path_and_query(endpoint: &Endpoint) -> String {
    let mut path = endpoint.path.to_owned();
    let mut query = None;
    for parameter in endpoint.parameters {
        match parameter.place {
            ParameterPlace::Path => {
                path = path.replace(&format!("{{{}}}", parameter.name), parameter.example);
            }
            ParameterPlace::Query => {
                query.get_or_insert(format!("?{}={}", parameter.name, parameter.example));
            }
            ParameterPlace::Header => {}
        }
    }
    path + &query.unwrap_or_default()
}
