//! The document of the API: OpenAPI 3.1, <https://spec.openapis.org/oas/v3.1.1.html>.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::entrypoints::http::Problem;
use crate::entrypoints::http::api::endpoint::{
    Endpoint, Group, Parameter, ParameterPlace, RequestBody,
};
use crate::entrypoints::http::api::{endpoints, parameters, response};
use crate::entrypoints::schemas::join_lines;

/// Everything that the API answers, and what it takes.
pub fn document() -> Value {
    let mut generator = generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for endpoint in endpoints() {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        for verb in endpoint.verbs {
            let name = match endpoint.verbs {
                [_] => endpoint.name.to_owned(),
                _ => format!("{}_by_{}", endpoint.name, verb.word().to_lowercase()),
            };
            path[verb.word().to_lowercase()] = operation(endpoint, &name, &problem, &mut generator);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "order-worker",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Places orders, moves them, and tells how they stand. A command over HTTP \
                is a command like one from the queue: the same rules, the same events.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": Group::ALL.map(|group| json!({
            "name": group.title(),
            "description": group.about(),
        })),
        "security": [{ "token": [] }, { "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Authorization: Token <key>`, with a key that \
                        `order-worker token new` made. A worker without tokens answers its own \
                        machine only, and needs none.",
                },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}

fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.with_transform(RecursiveTransform(join_lines)).into_generator()
}

fn operation(
    endpoint: &Endpoint,
    name: &str,
    problem: &Schema,
    generator: &mut SchemaGenerator,
) -> Value {
    let parameters: Vec<Value> =
        endpoint.parameters.iter().map(|it| parameter(it, generator)).collect();
    let mut operation = json!({
        "operationId": name,
        "tags": [endpoint.group.title()],
        "summary": endpoint.summary,
        "description": described(endpoint),
        "parameters": parameters,
        "responses": responses(endpoint, problem, generator),
    });
    if let Some(body) = &endpoint.body {
        operation["requestBody"] = request_body(body, generator);
    }
    operation
}

/// What is to be known of an endpoint besides its summary.
fn described(endpoint: &Endpoint) -> String {
    let (about, roles) = (endpoint.about, endpoint.roles());
    format!("{about} For tokens of the role {roles}.").trim_start().to_owned()
}

fn parameter(parameter: &Parameter, generator: &mut SchemaGenerator) -> Value {
    let schema = (parameter.schema)(generator);
    let is_text = schema.get("type").is_some_and(|it| it == "string");
    let example = if is_text { parameter.example.into() } else { parsed(parameter.example) };
    json!({
        "name": parameter.name,
        "in": parameter.place.word(),
        "required": parameter.place == ParameterPlace::Path,
        "description": parameter.about,
        "schema": schema,
        "example": example,
    })
}

fn request_body(body: &RequestBody, generator: &mut SchemaGenerator) -> Value {
    json!({
        "required": body.required,
        "content": { "application/json": {
            "schema": (body.schema)(generator),
            "example": parsed(body.example),
        } },
    })
}

fn responses(endpoint: &Endpoint, problem: &Schema, generator: &mut SchemaGenerator) -> Value {
    let success = &endpoint.success;
    let mut answer = json!({ "description": success.about });
    if let Some(body) = &success.body {
        answer["content"] = json!({ "application/json": {
            "schema": (body.schema)(generator),
            "example": parsed(body.example),
        } });
    }
    if endpoint.takes(&parameters::IDEMPOTENCY_KEY) {
        answer["headers"] = json!({ response::REPLAYED: {
            "description": "There, and true, when the command had its effect before.",
            "schema": { "type": "string", "const": "true" },
        } });
    }
    let problems = endpoint.problems.iter().map(|(status, about)| {
        let content = json!({ "application/problem+json": { "schema": problem } });
        (status.to_string(), json!({ "description": about, "content": content }))
    });
    [(success.status.to_string(), answer)].into_iter().chain(problems).collect()
}

fn parsed(example: &str) -> Value {
    serde_json::from_str(example).expect("a test reads all examples")
}
