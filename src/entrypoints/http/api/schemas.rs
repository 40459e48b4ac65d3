//! Schemas of request bodies, made from those of the commands.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::entrypoints::schemas;
use crate::service_layer::decode::{
    CancelOrderBody, PlaceOrderBody, SetNextStatusBody, SetStatusBody,
};

pub fn place_order(_: &mut SchemaGenerator) -> Schema {
    of_command::<PlaceOrderBody>(&["type"])
}

pub fn cancel_order(_: &mut SchemaGenerator) -> Schema {
    of_command::<CancelOrderBody>(&["type", "order_id"])
}

pub fn set_status(_: &mut SchemaGenerator) -> Schema {
    of_command::<SetStatusBody>(&["type", "order_id"])
}

pub fn set_next_status(_: &mut SchemaGenerator) -> Schema {
    of_command::<SetNextStatusBody>(&["type", "order_id"])
}

/// The schema of a command without the fields that the path determines.
fn of_command<T: JsonSchema>(in_path: &[&str]) -> Schema {
    let mut schema = schemas::inlined::<T>();
    for name in ["$schema", "title"] {
        schema.remove(name);
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !in_path.contains(&name.as_str()));
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name.as_str().is_none_or(|name| !in_path.contains(&name)));
    }
    schema
}
