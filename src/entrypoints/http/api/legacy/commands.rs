//! Placing and moving orders.

use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use super::order::{Id, StorePlaced};
use crate::domain::CommandKind;
use crate::entrypoints::http::api::command::CommandRequest;
use crate::entrypoints::http::api::endpoint::{
    AnswerBody, Endpoint, Group, RequestBody, Slash, Success, Verb,
};
use crate::entrypoints::http::api::in_path::InPath;
use crate::entrypoints::http::api::parameters::{
    CODE, CORRELATION_ID, IDEMPOTENCY_KEY, ORDER_ID, TRACEPARENT,
};
use crate::entrypoints::http::api::problems::{MOVE, PLACE};
use crate::entrypoints::http::api::response;
use crate::entrypoints::http::api::schemas;
use crate::entrypoints::http::auth::Permission;
use crate::entrypoints::http::{App, Problem};

const CART: &str = r#"{
  "items": [
    {"name": "Prod 001", "price_per_unit": 10, "product_id": 1, "quantity": 2},
    {"name": "Prod 002", "price_per_unit": 12, "product_id": 2, "quantity": 2}
  ],
  "order_customer": {"customer_id": 14, "email": "test@test.com", "name": "Test User"},
  "total": "190.00"
}"#;

pub const ADD: Endpoint = Endpoint {
    verbs: &[Verb::Post, Verb::Put],
    path: "/api/order/add/",
    slash: Slash::Either,
    permission: Permission::PlaceOrders,
    handler: |filter| on(filter, add),
    name: "add_order",
    group: Group::Store,
    summary: "Place an order",
    about: "Without an order_id the worker assigns the next number. Without a key, a request that \
            is sent again places a second order, unless it names its order_id.",
    parameters: &[IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    body: Some(RequestBody { required: true, schema: schemas::place_order, example: CART }),
    success: Success {
        status: 201,
        about: "The order is placed.",
        body: Some(AnswerBody { schema: placed, example: r#"{"order_id": 1000001}"# }),
    },
    problems: PLACE,
};

pub const CANCEL: Endpoint = Endpoint {
    verbs: &[Verb::Post],
    path: "/api/order/{order_id}/cancel",
    permission: Permission::Operate,
    handler: |filter| on(filter, cancel),
    name: "cancel_order_of_store",
    summary: "Cancel an order",
    about: "Only while it is Received. A body is not read.",
    parameters: &[ORDER_ID, IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    body: None,
    success: Success { status: 204, about: "The order has changed.", body: None },
    problems: MOVE,
    ..ADD
};

pub const SET_STATUS: Endpoint = Endpoint {
    path: "/api/order/{order_id}/status/{code}/set/",
    handler: |filter| on(filter, set_status),
    name: "set_status_for_store",
    summary: "Put an order into a status",
    about: "Any status, unless the order is Completed or Cancelled. A body is not read.",
    parameters: &[ORDER_ID, CODE, IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    ..CANCEL
};

pub const SET_NEXT_STATUS: Endpoint = Endpoint {
    path: "/api/order/{order_id}/status/next/",
    handler: |filter| on(filter, set_next_status),
    name: "set_next_status_for_store",
    summary: "Move an order one status on",
    about: "Received, Processing, Payment complete, Shipping, Completed, in this order. Without a \
            key, a request that is sent again moves the order again. A body is not read.",
    ..CANCEL
};

async fn add(State(app): State<App>, command: CommandRequest) -> Result<Response, Problem> {
    let done = command.handle(&app, CommandKind::PlaceOrder).await?;
    let placed = StorePlaced { order_id: Id(done.order_id.as_str()) };
    response::created(&done, &placed)
}

async fn cancel(
    State(app): State<App>,
    InPath(order_id): InPath<String>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    let body = json!({ "order_id": order_id });
    let done = command.handle_body(&app, CommandKind::CancelOrder, body.to_string()).await?;
    Ok(response::no_content(&done))
}

async fn set_status(
    State(app): State<App>,
    InPath((order_id, status)): InPath<(String, String)>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    let body = json!({ "order_id": order_id, "status": status });
    let done = command.handle_body(&app, CommandKind::SetStatus, body.to_string()).await?;
    Ok(response::no_content(&done))
}

async fn set_next_status(
    State(app): State<App>,
    InPath(order_id): InPath<String>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    let body = json!({ "order_id": order_id });
    let done = command.handle_body(&app, CommandKind::SetNextStatus, body.to_string()).await?;
    Ok(response::no_content(&done))
}

fn placed(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<StorePlaced<'_>>()
}
