//! Validates outgoing messages against their published schemas.

use std::collections::HashMap;

use jsonschema::Validator;
use order_worker::entrypoints::schemas;
use serde_json::Value;

/// One validator per schema, by the name of the message.
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
    /// Asserts that an event matches the schema of its type.
    pub fn assert_valid(&self, event: &Value) {
        self.assert_valid_as(event["type"].as_str().unwrap(), event);
    }

    pub fn assert_valid_as(&self, name: &str, message: &Value) {
        if let Err(error) = self.0[name].validate(message) {
            panic!("{message} is not a valid {name}: {error}");
        }
    }
}
