//! Lists of orders, in pages.

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::on;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::entrypoints::http::api::endpoint::{
    Endpoint, Group, Parameter, ParameterPlace, ResponseBody, Success, TrailingSlash,
};
use crate::entrypoints::http::api::extract::{QueryParameters, invalid_parameter};
use crate::entrypoints::http::api::{parameters, problems, response};
use crate::entrypoints::http::auth::Permission;
use crate::entrypoints::http::{App, Problem};
use crate::entrypoints::order_body::OrderBody;
use crate::service_layer::{OrderCursor, OrderQuery, OrderQueryText, Page};

/// Orders per page.
const MAX_LIMIT: u32 = 500;
const DEFAULT_LIMIT: u32 = 100;

pub const LIST: Endpoint = Endpoint {
    methods: &[Method::GET],
    path: "/api/orders",
    trailing_slash: TrailingSlash::AsWritten,
    permission: Permission::Read,
    handler: |filter| on(filter, list),
    name: "orders",
    group: Group::Orders,
    summary: "Orders, page by page",
    about: "Orders that match all filters. Newest first; the orders of a customer by status, then \
            newest first, unless filtered by one status. To get all, repeat the request with after \
            set to next until next is null: each order is returned once, also if others are placed \
            meanwhile.",
    parameters: &[CUSTOMER, STATUS, INCOMPLETE, FROM, UNTIL, LIMIT, AFTER],
    body: None,
    success: Success {
        status: 200,
        about: "A page of orders.",
        body: Some(ResponseBody {
            schema: SchemaGenerator::subschema_for::<OrderPage<'_>>,
            example: EXAMPLE,
        }),
    },
    problems: problems::LIST,
};

const CUSTOMER: Parameter = Parameter {
    name: "customer",
    place: ParameterPlace::Query,
    about: "Only orders of the customer with this customer_id.",
    schema: parameters::identifier,
    example: "14",
};

const STATUS: Parameter = Parameter {
    name: "status",
    about: "Only orders in this status, by name or code.",
    schema: parameters::status,
    example: "Shipping",
    ..CUSTOMER
};

const INCOMPLETE: Parameter = Parameter {
    name: "incomplete",
    about: "true: only orders that are not Completed. Not together with a status.",
    schema: boolean,
    example: "true",
    ..CUSTOMER
};

const FROM: Parameter = Parameter {
    name: "from",
    about: "Only orders created at this time or later: 2026-11-20T09:30:00Z, or a day in UTC.",
    schema: parameters::text,
    example: "2026-11-01",
    ..CUSTOMER
};

const UNTIL: Parameter = Parameter {
    name: "until",
    about: "Only orders created at this time or earlier; a day counts to its end.",
    example: "2026-11-30",
    ..FROM
};

const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "Maximum number of orders on the page.",
    schema: limit_schema,
    example: "50",
    ..CUSTOMER
};

const AFTER: Parameter = Parameter {
    name: "after",
    about: "The value of next from the previous page.",
    schema: parameters::text,
    example: "MS4xNzk1MTY2MTM3MTIzNDU2LjE",
    ..CUSTOMER
};

const EXAMPLE: &str = r#"{
  "orders": [
    {
      "order_id": "1",
      "status": "Shipping",
      "version": 4,
      "order_customer": {"customer_id": "14", "name": "Test User", "email": "test@test.com"},
      "items": [
        {"product_id": "1", "name": "Prod 001", "quantity": 2, "price_per_unit": "10.00"}
      ],
      "total": "190.00",
      "created_at": "2026-11-20T09:30:37.123456Z",
      "last_updated": "2026-11-21T10:00:00.000000Z"
    }
  ],
  "next": null
}"#;

/// A page of orders.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrderPage")]
struct OrderPage<'a> {
    orders: Vec<OrderBody<'a>>,
    /// For the parameter after; null on the last page.
    #[schemars(schema_with = "crate::messages::wire::text_or_null", required)]
    next: Option<String>,
}

async fn list(State(app): State<App>, parameters: QueryParameters) -> Result<Response, Problem> {
    let (query, mut page) = read(&parameters)?;
    let limit = page.limit as usize;
    // One more than is shown, to know whether there are more.
    page.limit += 1;
    let mut orders = app.database()?.orders().orders(&query, &page).await?;
    let has_more = orders.len() > limit;
    orders.truncate(limit);
    let next = orders.last().filter(|_| has_more).map(|last| OrderCursor::of(last).to_string());
    let shown = OrderPage { orders: orders.iter().map(OrderBody::from).collect(), next };
    response::json(StatusCode::OK, &shown, 500 * orders.len() + 100)
}

fn read(given: &QueryParameters) -> Result<(OrderQuery, Page), Problem> {
    given.ensure_known(LIST.parameters)?;
    let query = OrderQueryText {
        customer: given.get(CUSTOMER.name),
        status: given.get(STATUS.name),
        incomplete: incomplete(given.get(INCOMPLETE.name))?,
        from: given.get(FROM.name),
        until: given.get(UNTIL.name),
    };
    let after = given.get(AFTER.name).map(str::parse).transpose()?;
    Ok((query.read()?, Page { after, limit: limit(given.get(LIMIT.name))? }))
}

fn incomplete(text: Option<&str>) -> Result<bool, Problem> {
    let read = text.map_or(Ok(false), str::parse);
    read.map_err(|_| invalid_parameter(INCOMPLETE.name, "incomplete must be true or false"))
}

fn limit(text: Option<&str>) -> Result<u32, Problem> {
    let read = text
        .map_or(Ok(DEFAULT_LIMIT), str::parse)
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit));
    read.ok_or_else(|| {
        invalid_parameter(LIMIT.name, &format!("limit must be a number from 1 to {MAX_LIMIT}"))
    })
}

fn boolean(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "boolean", "default": false })
}

fn limit_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT })
}
