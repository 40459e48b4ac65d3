//! Requests as somebody types them.

use std::fmt::Write;

use crate::config::DEFAULT_HTTP_ADDR;
use crate::entrypoints::http::api::endpoint::{Endpoint, ParameterPlace, Verb};
use crate::entrypoints::http::api::parameters::IDEMPOTENCY_KEY;

/// A call of the endpoint with curl.
pub fn curl(endpoint: &Endpoint) -> String {
    let mut call = "curl -H \"Authorization: Token $TOKEN\"".to_owned();
    let (verb, has_body) = (endpoint.verbs.first().copied(), endpoint.body.is_some());
    if verb == Some(Verb::Post) && !has_body {
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
    // Writing into a text does not fail.
    let _ = write!(call, " \\\n  {part}");
}

/// With an example for each part of the path, and the first parameter of the query.
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
