//! Spans, as a collector receives them.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::amqp_client::{AmqpClient, ReceivedMessage, orders, place, publish_orders};
use crate::test_env::TestEnv;
use crate::workload::{subscribe, subscriber_of};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A collector that keeps all spans it receives.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Value>>>::default();
        let routes = Router::new().route("/v1/traces", post(keep)).with_state(spans.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, spans }
    }

    /// The one span of this name.
    fn span(&self, name: &str) -> Value {
        let spans = self.spans.lock().unwrap();
        let mut named = spans.iter().filter(|span| span["name"] == name);
        let (Some(span), None) = (named.next(), named.next()) else { panic!("{name}: {spans:#?}") };
        span.clone()
    }
}

async fn keep(
    State(kept): State<Arc<Mutex<Vec<Value>>>>,
    Json(request): Json<Value>,
) -> Json<Value> {
    for resource in request["resourceSpans"].as_array().unwrap() {
        for scope in resource["scopeSpans"].as_array().unwrap() {
            kept.lock().unwrap().extend(scope["spans"].as_array().unwrap().iter().cloned());
        }
    }
    Json(json!({}))
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    &found.unwrap_or_else(|| panic!("no {key} in {span:#}"))["value"]
}

fn traceparent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

fn traceparent_of(event: &ReceivedMessage) -> String {
    let headers = event.properties.headers().as_ref().unwrap();
    let value = headers.inner().get("traceparent").unwrap();
    value.as_long_string().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_trace_continues_from_the_command_to_the_event() {
    let (collector, env) = (Collector::start().await, TestEnv::new().await);
    let worker = env.start_worker_with(&["--otlp-endpoint", &collector.address]).await;
    subscribe(&env);
    let amqp = AmqpClient::on(&env).await;
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString(traceparent().into()));

    let properties = BasicProperties::default().with_headers(headers);
    amqp.send("order.place", place("7").as_bytes(), properties).await;
    let event = amqp.next_of(&subscriber_of(&env)).await;
    worker.stop().await;

    let process = collector.span("process PlaceOrder");
    assert_eq!(process["traceId"], TRACE);
    assert_eq!(process["parentSpanId"], SPAN);
    let span_id = process["spanId"].as_str().unwrap();
    assert_eq!(traceparent_of(&event), format!("00-{TRACE}-{span_id}-01"));
    let batch = collector.span(&format!("process {}", env.name_of("COMMANDS_QUEUE")));
    assert_eq!(process["links"][0]["spanId"], batch["spanId"]);
    assert_eq!(attribute(&batch, "messaging.system")["stringValue"], "rabbitmq");
    collector.span(&format!("send {}", env.name_of("EVENTS_EXCHANGE")));
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn an_unreachable_collector_delays_no_orders() {
    let env = TestEnv::new().await;
    let unreachable = ["--otlp-endpoint", "http://127.0.0.1:9"];
    let worker = env.start_worker_with(&unreachable).await;

    publish_orders(&env, &orders(0..100)).await;

    env.wait_for_count("orders", 100).await;
    worker.stop().await;
    env.remove().await;
}
