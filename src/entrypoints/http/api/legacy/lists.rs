//! Lists of orders.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use axum::routing::on;
use schemars::SchemaGenerator;

use super::order::StoreOrder;
use super::whole_list;
use crate::domain::CustomerId;
use crate::entrypoints::http::api::endpoint::{
    Endpoint, Group, ResponseBody, Success, TrailingSlash,
};
use crate::entrypoints::http::api::extract::PathParameters;
use crate::entrypoints::http::api::parameters::{CODE, CUSTOMER_ID};
use crate::entrypoints::http::api::problems::LIST;
use crate::entrypoints::http::auth::Permission;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{InvalidQuery, OrderQuery, OrderQueryText};

const LISTED: Success = Success {
    status: 200,
    about: "All matching orders.",
    body: Some(ResponseBody {
        schema: SchemaGenerator::subschema_for::<Vec<StoreOrder<'_>>>,
        example: EXAMPLE,
    }),
};

const EXAMPLE: &str = r#"[
  {
    "id": 1,
    "items": [
      {"name": "Prod 001", "price_per_unit": "10.00", "product_id": 1, "quantity": 2}
    ],
    "total": "190.00",
    "order_customer": {"customer_id": 14, "email": "test@test.com", "name": "Test User"},
    "created_at": "2026-11-20T09:30:37.123456Z",
    "status": "Received"
  }
]"#;

pub const OF_CUSTOMER: Endpoint = Endpoint {
    methods: &[Method::GET],
    path: "/api/customer/{customer_id}/orders/get/",
    trailing_slash: TrailingSlash::Optional,
    permission: Permission::ReadAsStore,
    handler: |filter| on(filter, |app, path| of_customer(OrderQuery::of_customer, app, path)),
    name: "customer_orders",
    group: Group::Legacy,
    summary: "All orders of a customer",
    about: "By status, then newest first.",
    parameters: &[CUSTOMER_ID],
    body: None,
    success: LISTED,
    problems: LIST,
};

pub const INCOMPLETE: Endpoint = Endpoint {
    path: "/api/customer/{customer_id}/orders/incomplete/get/",
    handler: |filter| on(filter, |app, path| of_customer(OrderQuery::incomplete_of, app, path)),
    name: "customer_incomplete_orders",
    summary: "A customer's orders that are not Completed",
    ..OF_CUSTOMER
};

pub const COMPLETE: Endpoint = Endpoint {
    path: "/api/customer/{customer_id}/orders/complete/get/",
    handler: |filter| on(filter, |app, path| of_customer(OrderQuery::completed_of, app, path)),
    name: "customer_completed_orders",
    summary: "A customer's Completed orders",
    about: "Newest first.",
    ..OF_CUSTOMER
};

pub const IN_STATUS: Endpoint = Endpoint {
    path: "/api/order/status/{code}/get/",
    handler: |filter| on(filter, in_status),
    name: "orders_in_status",
    summary: "All orders with a status",
    about: "Newest first.",
    parameters: &[CODE],
    ..OF_CUSTOMER
};

async fn of_customer(
    query: fn(CustomerId) -> OrderQuery,
    State(app): State<App>,
    PathParameters(customer): PathParameters<String>,
) -> Result<Response, Problem> {
    let customer_id = CustomerId::new(customer)
        .map_err(|error| InvalidQuery::new(CUSTOMER_ID.name, error.to_string()))?;
    whole_list::respond(app.database()?.orders(), query(customer_id)).await
}

async fn in_status(
    State(app): State<App>,
    PathParameters(status): PathParameters<String>,
) -> Result<Response, Problem> {
    let text = OrderQueryText { status: Some(&status), ..OrderQueryText::default() };
    let query = text.read().map_err(|invalid| InvalidQuery { argument: CODE.name, ..invalid })?;
    whole_list::respond(app.database()?.orders(), query).await
}
