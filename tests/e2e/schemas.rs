//! The schemas of outgoing messages, as their readers use them.

use std::collections::HashMap;

use jsonschema::Validator;
use order_worker::entrypoints::schemas;
use serde_json::Value;

/// One validator for each schema, by the name of the message.
pub struct Validators(HashMap<String, Validator>);

impl Default for Validators {
    fn default() -> Self {
        let validators = schemas::all().into_iter().map(|schema| {
            let name = schema.file_name.trim_end_matches(".json").to_owned();
            (name, jsonschema::validator_for(schema.schema.as_value()).unwrap())
        });
        Self(validators.collect())
    }
}

impl Validators {
    /// Asserts that an event is valid by the schema of its type.
    pub fn assert_valid(&self, event: &Value) {
        self.assert_valid_as(event["type"].as_str().unwrap(), event);
    }

    pub fn assert_valid_as(&self, name: &str, message: &Value) {
        if let Err(error) = self.0[name].validate(message) {
            panic!("{message} is no {name}: {error}");
        }
    }
}
