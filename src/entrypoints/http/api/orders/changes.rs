//! Placing orders and changing their status.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use axum::routing::on;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;

use crate::domain::CommandKind;
use crate::entrypoints::http::api::command::CommandRequest;
use crate::entrypoints::http::api::endpoint::{
    Endpoint, Group, RequestBody, ResponseBody, Success, TrailingSlash,
};
use crate::entrypoints::http::api::extract::PathParameters;
use crate::entrypoints::http::api::parameters::{
    CORRELATION_ID, IDEMPOTENCY_KEY, ORDER_ID, TRACEPARENT,
};
use crate::entrypoints::http::api::{problems, response, schemas};
use crate::entrypoints::http::auth::Permission;
use crate::entrypoints::http::{App, Problem};

pub const PLACE: Endpoint = Endpoint {
    methods: &[Method::POST],
    path: "/api/orders",
    trailing_slash: TrailingSlash::AsWritten,
    permission: Permission::PlaceOrders,
    handler: |filter| on(filter, place),
    name: "place_order",
    group: Group::Orders,
    summary: "Place an order",
    about: "Without an order_id the worker assigns the next number. Send a key, so that a request \
            whose response was lost can be repeated: without a key and an order_id, that places a \
            second order.",
    parameters: &[IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    body: Some(RequestBody { required: true, schema: schemas::place_order, example: CART }),
    success: Success {
        status: 201,
        about: "The order is placed; its path is in the header Location.",
        body: Some(ResponseBody {
            schema: SchemaGenerator::subschema_for::<Placed<'_>>,
            example: r#"{"order_id": "1000001"}"#,
        }),
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
    handler: |filter| {
        on(filter, |app, path, command| change(CommandKind::CancelOrder, app, path, command))
    },
    name: "cancel_order",
    summary: "Cancel an order",
    about: "Only while it is Received.",
    parameters: &[ORDER_ID, IDEMPOTENCY_KEY, CORRELATION_ID, TRACEPARENT],
    body: Some(RequestBody {
        required: false,
        schema: schemas::cancel_order,
        example: r#"{"reason": "ordered twice"}"#,
    }),
    success: Success { status: 204, about: "The order was changed.", body: None },
    problems: problems::MOVE,
    ..PLACE
};

pub const SET_STATUS: Endpoint = Endpoint {
    path: "/api/orders/{order_id}/status",
    handler: |filter| {
        on(filter, |app, path, command| change(CommandKind::SetStatus, app, path, command))
    },
    name: "set_status",
    summary: "Set the status of an order",
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
    handler: |filter| {
        on(filter, |app, path, command| change(CommandKind::SetNextStatus, app, path, command))
    },
    name: "set_next_status",
    summary: "Move an order to its next status",
    about: "Received, Processing, Payment complete, Shipping, Completed, in this order. Send the \
            status that it must have as from, or a key: then a repeated request does not move the \
            order again.",
    body: Some(RequestBody {
        required: false,
        schema: schemas::set_next_status,
        example: r#"{"from": "Processing"}"#,
    }),
    ..CANCEL
};

/// The response to a new order.
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

async fn change(
    kind: CommandKind,
    State(app): State<App>,
    PathParameters(order_id): PathParameters<String>,
    command: CommandRequest,
) -> Result<Response, Problem> {
    command.change_order(&app, kind, &order_id).await
}
