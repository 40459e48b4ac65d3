//! The JSON Schemas of all messages, generated from the types that read and write them.
//!
//! No schema forbids unknown fields: the worker ignores those of commands, and a subscriber that
//! validates events and replies must go on working when a field is added.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::messages::wire::{CommandOutcomeBody, OrderCommandRejectedBody, OrderStatusChangedBody};
use crate::service_layer::decode::{
    CancelOrderBody, PlaceOrderBody, SetNextStatusBody, SetStatusBody,
};

/// A schema and the name of its file in `schemas/`.
#[derive(Debug, Clone)]
pub struct MessageSchema {
    pub file_name: String,
    pub schema: Schema,
}

/// The schemas of commands, then those of events and replies.
pub fn all() -> Vec<MessageSchema> {
    let read = SchemaSettings::draft2020_12().for_deserialize();
    let written = SchemaSettings::draft2020_12().for_serialize();
    vec![
        of::<PlaceOrderBody>(&read),
        of::<CancelOrderBody>(&read),
        of::<SetStatusBody>(&read),
        of::<SetNextStatusBody>(&read),
        of::<OrderStatusChangedBody<'_>>(&written),
        of::<OrderCommandRejectedBody<'_>>(&written),
        of::<CommandOutcomeBody<'_>>(&written),
    ]
}

fn of<T: JsonSchema>(settings: &SchemaSettings) -> MessageSchema {
    let settings = settings.clone().with_transform(RecursiveTransform(join_lines));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let file_name = format!("{}.json", T::schema_name());
    schema.insert("$id".to_owned(), file_name.clone().into());
    MessageSchema { file_name, schema }
}

/// The schema of a command without references, to embed it in another document.
pub fn inlined<T: JsonSchema>() -> Schema {
    let mut settings = SchemaSettings::draft2020_12().for_deserialize();
    settings.inline_subschemas = true;
    let settings = settings.with_transform(RecursiveTransform(join_lines));
    settings.into_generator().into_root_schema_for::<T>()
}

/// Descriptions come from doc comments, which are wrapped like code.
pub(crate) fn join_lines(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

impl MessageSchema {
    /// The content of the file: indented, with a newline at its end.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.schema.as_value())
    }
}
