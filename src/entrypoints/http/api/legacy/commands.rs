//! Placing orders and changing their status.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use axum::routing::on;
use schemars::SchemaGenerator;
use serde_json::json;

use super::order::{Id, StorePlaced};
use crate::domain::CommandKind;
use crate::entrypoints::http::api::command::CommandRequest;
use crate::entrypoints::http::api::endpoint::{
    Endpoint, Group, RequestBody, ResponseBody, Success, TrailingSlash,
};
use crate::entrypoints::http::api::extract::PathParameters;
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
    methods: &[Method::POST, Method::PUT],
    path: "/api/order/add/",
    trailing_slash: TrailingSlash::Optional,
    permission: Permission::PlaceOrders,
    handler: |filter| on(filter, add),
    name: "add_order",
    group: Group::Legacy,
    summary: "Place an order",
    about: "Without an order_id the worker assigns the next number. Without a key, a repeated \
            request places a second order, unless it has an order_id.",
    parameters: &[IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    body: Some(RequestBody { required: true, schema: schemas::place_order, example: CART }),
    success: Success {
        status: 201,
        about: "The order is placed.",
        body: Some(ResponseBody {
            schema: SchemaGenerator::subschema_for::<StorePlaced<'_>>,
            example: r#"{"order_id": 1000001}"#,
        }),
    },
    problems: PLACE,
};

pub const CANCEL: Endpoint = Endpoint {
    methods: &[Method::POST],
    path: "/api/order/{order_id}/cancel",
    permission: Permission::Operate,
    handler: |filter| {
        on(filter, |app, path, command| change(CommandKind::CancelOrder, app, path, command))
    },
    name: "cancel_order_of_store",
    summary: "Cancel an order",
    about: "Only while it is Received. The body is ignored.",
    parameters: &[ORDER_ID, IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    body: None,
    success: Success { status: 204, about: "The order was changed.", body: None },
    problems: MOVE,
    ..ADD
};

pub const SET_STATUS: Endpoint = Endpoint {
    path: "/api/order/{order_id}/status/{code}/set/",
    handler: |filter| on(filter, set_status),
    name: "set_status_for_store",
    summary: "Set the status of an order",
    about: "Any status, unless the order is Completed or Cancelled. The body is ignored.",
    parameters: &[ORDER_ID, CODE, IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    ..CANCEL
};

pub const SET_NEXT_STATUS: Endpoint = Endpoint {
    path: "/api/order/{order_id}/status/next/",
    handler: |filter| {
        on(filter, |app, path, command| change(CommandKind::SetNextStatus, app, path, command))
    },
    name: "set_next_status_for_store",
    summary: "Move an order to its next status",
    about: "Received, Processing, Payment complete, Shipping, Completed, in this order. Without a \
            key, a repeated request moves the order again. The body is ignored.",
    ..CANCEL
};

async fn add(State(app): State<App>, command: CommandRequest) -> Result<Response, Problem> {
    let done = command.handle(&app, CommandKind::PlaceOrder).await?;
    let placed = StorePlaced { order_id: Id(done.order_id.as_str()) };
    response::created(&done, &placed)
}

async fn set_status(
    State(app): State<App>,
    PathParameters((order_id, status)): PathParameters<(String, String)>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    let command = command.with_body(&json!({ "status": status }));
    command.change_order(&app, CommandKind::SetStatus, &order_id).await
}

async fn change(
    kind: CommandKind,
    State(app): State<App>,
    PathParameters(order_id): PathParameters<String>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    command.with_body(&json!({})).change_order(&app, kind, &order_id).await
}
