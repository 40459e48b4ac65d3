//! AMQP properties and routing keys as an external publisher sets them.

use lapin::BasicProperties;
use order_worker::messages::{Publication, Target};

const PERSISTENT: u8 = 2;

/// The AMQP properties of a command.
pub fn properties_of(command: &Publication) -> BasicProperties {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into());
    if let Some(message_id) = &command.properties.message_id {
        properties = properties.with_message_id(message_id.as_str().into());
    }
    if let Some(kind) = &command.properties.kind {
        properties = properties.with_type(kind.as_str().into());
    }
    properties
}

pub fn routing_key_of(command: &Publication) -> &str {
    match &command.target {
        Target::Commands { routing_key }
        | Target::Partition { routing_key }
        | Target::Events { routing_key }
        | Target::DeadLetters { routing_key } => routing_key,
        Target::Queue { name } => name,
        Target::Retry { .. } => "",
    }
}
