//! Placing and moving orders.

use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::domain::CommandKind;
use crate::entrypoints::http::api::command::CommandRequest;
use crate::entrypoints::http::api::endpoint::{
    AnswerBody, Endpoint, Group, RequestBody, Slash, Success, Verb,
};
use crate::entrypoints::http::api::in_path::InPath;
use crate::entrypoints::http::api::parameters::{
    CORRELATION_ID, IDEMPOTENCY_KEY, ORDER_ID, TRACEPARENT,
};
use crate::entrypoints::http::api::{problems, response, schemas};
use crate::entrypoints::http::auth::Permission;
use crate::entrypoints::http::{App, Problem};

pub const PLACE: Endpoint = Endpoint {
    verbs: &[Verb::Post],
    path: "/api/orders",
    slash: Slash::AsWritten,
    permission: Permission::PlaceOrders,
    handler: |filter| on(filter, place),
    name: "place_order",
    group: Group::Orders,
    summary: "Place an order",
    about: "Without an order_id the worker assigns the next number. Send a key, so that a request \
            whose answer was lost can be sent again: without a key and without an order_id, that \
            places a second order.",
    parameters: &[IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    body: Some(RequestBody { required: true, schema: schemas::place_order, example: CART }),
    success: Success {
        status: 201,
        about: "The order is placed; the header Location names its path.",
        body: Some(AnswerBody { schema: placed, example: r#"{"order_id": "1000001"}"# }),
    },
    problems: problems::PLACE,
};

const CART: &str = r#"{
  "items": [
    {"product_id": "GS-77", "name": "Chess", "quantity": 2, "price_per_unit": "12.50"}
  ],
  "order_customer": {"customer_id": "14", "name": "Test User", "email": "test@test.com"}
}"#;

pub const CANCEL: Endpoint = Endpoint {
    path: "/api/orders/{order_id}/cancel",
    permission: Permission::Operate,
    handler: |filter| on(filter, cancel),
    name: "cancel_order",
    summary: "Cancel an order",
    about: "Only while it is Received.",
    parameters: &[ORDER_ID, IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    body: Some(RequestBody {
        required: false,
        schema: schemas::cancel_order,
        example: r#"{"reason": "ordered twice"}"#,
    }),
    success: Success { status: 204, about: "The order has changed.", body: None },
    problems: problems::MOVE,
    ..PLACE
};

pub const SET_STATUS: Endpoint = Endpoint {
    path: "/api/orders/{order_id}/status",
    handler: |filter| on(filter, set_status),
    name: "set_status",
    summary: "Put an order into a status",
    about: "Any status, unless the order is Completed or Cancelled.",
    body: Some(RequestBody {
        required: true,
        schema: schemas::set_status,
        example: r#"{"status": "Shipping"}"#,
    }),
    ..CANCEL
};

pub const SET_NEXT_STATUS: Endpoint = Endpoint {
    path: "/api/orders/{order_id}/next",
    handler: |filter| on(filter, set_next_status),
    name: "set_next_status",
    summary: "Move an order one status on",
    about: "Received, Processing, Payment complete, Shipping, Completed, in this order. Name the \
            status that it must be in, or send a key: then a request that is sent again does not \
            move the order again.",
    body: Some(RequestBody {
        required: false,
        schema: schemas::set_next_status,
        example: r#"{"from": "Processing"}"#,
    }),
    ..CANCEL
};

/// What is answered to a new order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Placed")]
struct Placed<'a> {
    #[schemars(length(min = 1, max = 64))]
    order_id: &'a str,
}

async fn place(State(app): State<App>, command: CommandRequest) -> Result<Response, Problem> {
    let done = command.handle(&app, CommandKind::PlaceOrder).await?;
    response::created(&done, &Placed { order_id: done.order_id.as_str() })
}

async fn cancel(
    State(app): State<App>,
    InPath(order_id): InPath<String>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    let done = command.for_order(&order_id).handle(&app, CommandKind::CancelOrder).await?;
    Ok(response::no_content(&done))
}

async fn set_status(
    State(app): State<App>,
    InPath(order_id): InPath<String>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    let done = command.for_order(&order_id).handle(&app, CommandKind::SetStatus).await?;
    Ok(response::no_content(&done))
}

async fn set_next_status(
    State(app): State<App>,
    InPath(order_id): InPath<String>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    let done = command.for_order(&order_id).handle(&app, CommandKind::SetNextStatus).await?;
    Ok(response::no_content(&done))
}

fn placed(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Placed<'_>>()
}
