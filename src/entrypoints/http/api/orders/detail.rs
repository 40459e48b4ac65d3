//! One order.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::on;
use schemars::SchemaGenerator;

use crate::domain::OrderId;
use crate::entrypoints::http::api::endpoint::{
    Endpoint, Group, ResponseBody, Success, TrailingSlash,
};
use crate::entrypoints::http::api::extract::PathParameters;
use crate::entrypoints::http::api::parameters::ORDER_ID;
use crate::entrypoints::http::api::{problems, response};
use crate::entrypoints::http::auth::Permission;
use crate::entrypoints::http::{App, Problem};
use crate::entrypoints::order_body::OrderBody;
use crate::service_layer::InvalidQuery;

pub const SHOW: Endpoint = Endpoint {
    methods: &[Method::GET],
    path: "/api/orders/{order_id}",
    trailing_slash: TrailingSlash::AsWritten,
    permission: Permission::Read,
    handler: |filter| on(filter, show),
    name: "order",
    group: Group::Orders,
    summary: "An order with its history",
    about: "",
    parameters: &[ORDER_ID],
    body: None,
    success: Success {
        status: 200,
        about: "The order.",
        body: Some(ResponseBody {
            schema: SchemaGenerator::subschema_for::<OrderBody<'_>>,
            example: EXAMPLE,
        }),
    },
    problems: problems::ORDER,
};

const EXAMPLE: &str = r#"{
  "order_id": "1000001",
  "status": "Cancelled",
  "version": 2,
  "order_customer": {"customer_id": "14", "name": "Test User", "email": "test@test.com"},
  "items": [
    {"product_id": "1", "name": "Prod 001", "quantity": 2, "price_per_unit": "10.00"}
  ],
  "total": "20.00",
  "created_at": "2026-11-20T09:30:37.123456Z",
  "last_updated": "2026-11-20T09:41:12.000001Z",
  "history": [
    {
      "version": 1,
      "previous_status": null,
      "status": "Received",
      "changed_at": "2026-11-20T09:30:37.123456Z",
      "command": "PlaceOrder",
      "caused_by": "cart-4711",
      "reason": null
    },
    {
      "version": 2,
      "previous_status": "Received",
      "status": "Cancelled",
      "changed_at": "2026-11-20T09:41:12.000001Z",
      "command": "CancelOrder",
      "caused_by": "http-support-01a1fbb0-5d3f-7c2e-9a51-3f2f6f0f8f11",
      "reason": "ordered twice"
    }
  ]
}"#;

async fn show(
    State(app): State<App>,
    PathParameters(order_id): PathParameters<String>,
) -> Result<Response, Problem> {
    let order_id = OrderId::new(order_id)
        .map_err(|error| InvalidQuery::new(ORDER_ID.name, error.to_string()))?;
    let found = app.database()?.orders().order(&order_id).await?;
    let found = found.ok_or_else(|| Problem::not_found("the order does not exist"))?;
    response::json(StatusCode::OK, &OrderBody::from(&found), 2_000)
}
