//! The API as an OpenAPI 3.1 document, <https://spec.openapis.org/oas/v3.1.1.html>.

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

pub fn document() -> Value {
    let mut generator = generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for endpoint in endpoints() {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        for method in endpoint.methods {
            let name = match endpoint.methods {
                [_] => endpoint.name.to_owned(),
                _ => format!("{}_by_{}", endpoint.name, method.as_str().to_lowercase()),
            };
            path[method.as_str().to_lowercase()] =
                operation(endpoint, &name, &problem, &mut generator);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "order-worker",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Places orders, changes their status and returns them. A command over HTTP \
                is handled like one from the queue: the same rules, the same events.",
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
                        `order-worker token new` made. Without tokens, the worker accepts \
                        requests from localhost only, and needs none.",
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
        "description": description(endpoint),
        "parameters": parameters,
        "responses": responses(endpoint, problem, generator),
    });
    if let Some(body) = &endpoint.body {
        operation["requestBody"] = request_body(body, generator);
    }
    operation
}

fn description(endpoint: &Endpoint) -> String {
    let (about, roles) = (endpoint.about, endpoint.roles());
    format!("{about} Requires the role {roles}.").trim_start().to_owned()
}

fn parameter(parameter: &Parameter, generator: &mut SchemaGenerator) -> Value {
    let schema = (parameter.schema)(generator);
    let is_text = schema.get("type").is_some_and(|it| it == "string");
    let example = if is_text { parameter.example.into() } else { parsed(parameter.example) };
    json!({
        "name": parameter.name,
        "in": parameter.place.as_str(),
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
    let mut response = json!({ "description": success.about });
    if let Some(body) = &success.body {
        response["content"] = json!({ "application/json": {
            "schema": (body.schema)(generator),
            "example": parsed(body.example),
        } });
    }
    if endpoint.takes(&parameters::IDEMPOTENCY_KEY) {
        response["headers"] = json!({ response::REPLAYED: {
            "description": "Present, and true, when the command had its effect before.",
            "schema": { "type": "string", "const": "true" },
        } });
    }
    let problems = endpoint.problems.iter().map(|(status, about)| {
        let content = json!({ "application/problem+json": { "schema": problem } });
        (status.to_string(), json!({ "description": about, "content": content }))
    });
    [(success.status.to_string(), response)].into_iter().chain(problems).collect()
}

fn parsed(example: &str) -> Value {
    serde_json::from_str(example).expect("a test parses all examples")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn assert_valid(schema: fn(&mut SchemaGenerator) -> Schema, example: &Value, name: &str) {
        let mut generator = generator();
        let schema = schema(&mut generator);
        let components = json!({ "schemas": generator.take_definitions(true) });
        let whole = json!({ "allOf": [schema], "components": components });
        let validator = jsonschema::validator_for(&whole).unwrap();
        if let Err(error) = validator.validate(example) {
            panic!("{name}: {error}");
        }
    }

    #[test]
    fn all_examples_are_valid() {
        for endpoint in endpoints() {
            if let Some(body) = &endpoint.body {
                assert_valid(body.schema, &parsed(body.example), endpoint.name);
            }
            if let Some(body) = &endpoint.success.body {
                assert_valid(body.schema, &parsed(body.example), endpoint.name);
            }
            for it in endpoint.parameters {
                let shown = parameter(it, &mut generator());
                assert_valid(it.schema, &shown["example"], it.name);
            }
        }
    }

    #[test]
    fn the_names_in_a_path_are_its_path_parameters() {
        for endpoint in endpoints() {
            let names = endpoint.path.split('{').skip(1);
            let named: BTreeSet<_> = names.map(|it| it.split('}').next().unwrap()).collect();
            let in_path = |it: &&Parameter| it.place == ParameterPlace::Path;
            let parameters = endpoint.parameters.iter().filter(in_path);
            assert_eq!(parameters.map(|it| it.name).collect::<BTreeSet<_>>(), named);
        }
    }

    #[test]
    fn no_endpoint_shadows_another() {
        let document = document();
        let paths = document["paths"].as_object().unwrap().values();
        let operations: Vec<_> = paths.flat_map(|it| it.as_object().unwrap().values()).collect();
        let names: BTreeSet<_> = operations.iter().map(|it| it["operationId"].as_str()).collect();

        let expected = endpoints().map(|endpoint| endpoint.methods.len()).sum::<usize>();
        assert_eq!((operations.len(), names.len()), (expected, expected));
    }

    #[test]
    fn each_endpoint_documents_its_errors() {
        for endpoint in endpoints() {
            let statuses: Vec<u16> = endpoint.problems.iter().map(|(status, _)| *status).collect();
            assert!(statuses.is_sorted(), "{}", endpoint.name);
            for status in [400, 401, 403, 503] {
                assert!(statuses.contains(&status), "{}: {status}", endpoint.name);
            }
        }
    }
}
