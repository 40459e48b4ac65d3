//! Parameters shared by several endpoints.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::command;
use super::endpoint::{Parameter, ParameterPlace};
use crate::domain::{MessageId, Status};

pub const ORDER_ID: Parameter = Parameter {
    name: "order_id",
    place: ParameterPlace::Path,
    about: "The store's own id for the order, or the number that the worker assigned.",
    schema: identifier,
    example: "1000001",
};

pub const CUSTOMER_ID: Parameter = Parameter {
    name: "customer_id",
    place: ParameterPlace::Path,
    about: "The store's id for the customer.",
    schema: identifier,
    example: "14",
};

pub const CODE: Parameter = Parameter {
    name: "code",
    place: ParameterPlace::Path,
    about: "1 Received, 2 Processing, 3 Payment complete, 4 Shipping, 5 Completed, 6 Cancelled. \
            Names are accepted as well.",
    schema: status,
    example: "3",
};

pub const MESSAGE_ID: Parameter = Parameter {
    name: "message_id",
    place: ParameterPlace::Path,
    about: "The message id of a command from the queue, or the Idempotency-Key of one over HTTP.",
    schema: message_id,
    example: "cart-4711",
};

pub const IDEMPOTENCY_KEY: Parameter = Parameter {
    name: command::IDEMPOTENCY_KEY,
    place: ParameterPlace::Header,
    about: "Identifies the request. The same request with the same key takes effect once, however \
            often it is sent, and gets the same response.",
    schema: message_id,
    example: "cart-4711",
};

pub const CORRELATION_ID: Parameter = Parameter {
    name: command::CORRELATION_ID,
    place: ParameterPlace::Header,
    about: "The correlation_id of the events that the command causes.",
    schema: text,
    example: "visit-99",
};

pub const TRACEPARENT: Parameter = Parameter {
    name: command::TRACEPARENT,
    place: ParameterPlace::Header,
    about: "W3C trace context, copied to the events.",
    schema: text,
    example: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

pub fn identifier(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 64 })
}

pub fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

fn message_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": MessageId::MAX_CHARS })
}

/// A status by name or code, as written in a path or query string.
pub fn status(_: &mut SchemaGenerator) -> Schema {
    let names = Status::ALL.iter().map(|status| status.name().to_owned());
    let codes = Status::ALL.iter().map(|status| status.code().to_string());
    json_schema!({ "type": "string", "examples": names.chain(codes).collect::<Vec<_>>() })
}
