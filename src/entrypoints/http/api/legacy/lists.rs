//! Lists of orders.

use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use schemars::{Schema, SchemaGenerator};

use super::order::StoreOrder;
use super::whole_list;
use crate::domain::CustomerId;
use crate::entrypoints::http::api::endpoint::{AnswerBody, Endpoint, Group, Slash, Success, Verb};
use crate::entrypoints::http::api::in_path::InPath;
use crate::entrypoints::http::api::parameters::{CODE, CUSTOMER_ID};
use crate::entrypoints::http::api::problems::LIST;
use crate::entrypoints::http::auth::Permission;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{InvalidQuery, OrderQuery, OrderQueryText};

const LISTED: Success = Success {
    status: 200,
    about: "The orders, however many they are.",
    body: Some(AnswerBody { schema: orders, example: EXAMPLE }),
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
    verbs: &[Verb::Get],
    path: "/api/customer/{customer_id}/orders/get/",
    slash: Slash::Either,
    permission: Permission::ReadAsStore,
    handler: |filter| on(filter, of_customer),
    name: "customer_orders",
    group: Group::Store,
    summary: "All orders of a customer",
    about: "By status, then newest first.",
    parameters: &[CUSTOMER_ID],
    body: None,
    success: LISTED,
    problems: LIST,
};

pub const INCOMPLETE: Endpoint = Endpoint {
    path: "/api/customer/{customer_id}/orders/incomplete/get/",
    handler: |filter| on(filter, incomplete),
    name: "customer_incomplete_orders",
    summary: "A customer's orders that are not Completed",
    ..OF_CUSTOMER
};

pub const COMPLETE: Endpoint = Endpoint {
    path: "/api/customer/{customer_id}/orders/complete/get/",
    handler: |filter| on(filter, complete),
    name: "customer_completed_orders",
    summary: "A customer's Completed orders",
    about: "Newest first.",
    ..OF_CUSTOMER
};

pub const IN_STATUS: Endpoint = Endpoint {
    path: "/api/order/status/{code}/get/",
    handler: |filter| on(filter, in_status),
    name: "orders_in_status",
    summary: "All orders in a status",
    about: "Newest first.",
    parameters: &[CODE],
    ..OF_CUSTOMER
};

async fn of_customer(
    State(app): State<App>,
    InPath(customer): InPath<String>,
) -> Result<Response, Problem> {
    whole_list::answer(app.database()?.orders(), OrderQuery::of_customer(customer_id(customer)?))
        .await
}

async fn incomplete(
    State(app): State<App>,
    InPath(customer): InPath<String>,
) -> Result<Response, Problem> {
    whole_list::answer(app.database()?.orders(), OrderQuery::incomplete_of(customer_id(customer)?))
        .await
}

async fn complete(
    State(app): State<App>,
    InPath(customer): InPath<String>,
) -> Result<Response, Problem> {
    whole_list::answer(app.database()?.orders(), OrderQuery::completed_of(customer_id(customer)?))
        .await
}

async fn in_status(
    State(app): State<App>,
    InPath(status): InPath<String>,
) -> Result<Response, Problem> {
    let asked = OrderQueryText { status: Some(&status), ..OrderQueryText::default() };
    let query = asked.read().map_err(|invalid| InvalidQuery { argument: CODE.name, ..invalid })?;
    whole_list::answer(app.database()?.orders(), query).await
}

fn customer_id(text: String) -> Result<CustomerId, InvalidQuery> {
    CustomerId::new(text).map_err(|error| InvalidQuery::new(CUSTOMER_ID.name, error.to_string()))
}

fn orders(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Vec<StoreOrder<'_>>>()
}
