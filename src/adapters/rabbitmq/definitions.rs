//! The topology in RabbitMQ's own format, for `rabbitmqctl import_definitions`.

use lapin::ExchangeKind;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};

use super::Topology;
use super::intake::BrokerVersion;
use super::resource::Resource;

impl Topology {
    /// The exchanges, queues and bindings that `declare` declares, as definitions for a
    /// virtual host.
    pub fn definitions(&self, vhost: &str) -> Value {
        let (mut exchanges, mut queues, mut bindings) = (Vec::new(), Vec::new(), Vec::new());
        for resource in self.resources(&BrokerVersion::default()) {
            let kind = match &resource {
                Resource::Exchange { name, kind, arguments, .. } => {
                    exchanges.push(json!({
                        "name": name, "vhost": vhost, "type": kind_name(kind), "durable": true,
                        "auto_delete": false, "internal": false, "arguments": as_json(arguments),
                    }));
                    "exchange"
                }
                Resource::Queue { name, arguments, .. } => {
                    queues.push(json!({
                        "name": name, "vhost": vhost, "durable": true, "auto_delete": false,
                        "arguments": as_json(arguments),
                    }));
                    "queue"
                }
            };
            bindings.extend(resource.binding().map(|binding| {
                json!({
                    "source": binding.exchange, "vhost": vhost, "destination": resource.name(),
                    "destination_type": kind, "routing_key": binding.routing_key, "arguments": {},
                })
            }));
        }
        json!({"exchanges": exchanges, "queues": queues, "bindings": bindings})
    }
}

fn kind_name(kind: &ExchangeKind) -> &str {
    match kind {
        ExchangeKind::Topic => "topic",
        ExchangeKind::Custom(name) => name,
        other => unreachable!("the topology has no exchange of this kind: {other:?}"),
    }
}

fn as_json(arguments: &FieldTable) -> Map<String, Value> {
    let value = |value: &AMQPValue| match value {
        AMQPValue::Boolean(value) => json!(value),
        AMQPValue::LongLongInt(value) => json!(value),
        AMQPValue::LongString(value) => json!(value.to_string()),
        other => unreachable!("the topology has no argument of this type: {other:?}"),
    };
    arguments.inner().iter().map(|(name, it)| (name.to_string(), value(it))).collect()
}
