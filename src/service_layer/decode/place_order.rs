//! The body of `PlaceOrder`. The comments on its types are the descriptions in the schema.

use schemars::JsonSchema;

use super::Deviations;
use super::fields::{FieldError, Fields, FromNode, FromObject};
use super::json::Node;
use super::properties::may_name_itself;
use super::scalars::{Ignored, schema_of, schema_or_null};
use crate::domain::{
    Customer, CustomerId, Email, InvalidItems, Item, Items, MAX_ITEMS, Money, Name, OrderId,
    PlaceOrder, ProductId, Quantity,
};

/// Place a new order.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "PlaceOrder", transform = may_name_itself)]
pub(crate) struct PlaceOrderBody {
    /// If absent, the worker assigns the next number, and the message needs a message id.
    #[schemars(default, schema_with = "schema_or_null::<OrderId>")]
    order_id: Option<OrderId>,
    order_customer: CustomerBody,
    #[schemars(length(min = 1, max = 500))]
    items: Vec<ItemBody>,
    /// What the customer pays. If absent, the sum of the items.
    #[schemars(default, schema_with = "schema_or_null::<Money>")]
    total: Option<Money>,
    /// Ignored: a new order is always Received.
    #[schemars(default, schema_with = "schema_of::<Ignored>")]
    #[expect(dead_code, reason = "says that the field is known")]
    status: Option<Ignored>,
}

#[derive(Debug, JsonSchema)]
#[schemars(rename = "Customer")]
struct CustomerBody {
    #[schemars(schema_with = "schema_of::<CustomerId>")]
    customer_id: CustomerId,
    /// May be empty.
    #[schemars(schema_with = "schema_of::<Name>")]
    name: Name,
    #[schemars(schema_with = "schema_of::<Email>")]
    email: Email,
}

#[derive(Debug, JsonSchema)]
#[schemars(rename = "Item")]
struct ItemBody {
    #[schemars(schema_with = "schema_of::<ProductId>")]
    product_id: ProductId,
    /// May be empty.
    #[schemars(schema_with = "schema_of::<Name>")]
    name: Name,
    #[schemars(schema_with = "schema_of::<Quantity>")]
    quantity: Quantity,
    #[schemars(schema_with = "schema_of::<Money>")]
    price_per_unit: Money,
}

impl PlaceOrderBody {
    pub(super) fn into_domain(self, deviations: &mut Deviations) -> Result<PlaceOrder, FieldError> {
        let items: Vec<Item> = self.items.into_iter().map(Item::from).collect();
        let items =
            Items::try_from(items).map_err(|count| FieldError::invalid(count).inside("items"))?;
        let total = total(self.total, &items, deviations)?;
        Ok(PlaceOrder {
            order_id: self.order_id,
            customer: self.order_customer.into(),
            items,
            total,
        })
    }
}

/// The given total, even if it is not the sum of the items; else their sum.
fn total(
    given: Option<Money>,
    items: &Items,
    deviations: &mut Deviations,
) -> Result<Money, FieldError> {
    match (given, items.sum()) {
        (Some(total), sum) => {
            deviations.total_differs = sum != Ok(total);
            Ok(total)
        }
        (None, sum) => sum.map_err(|bound| {
            FieldError::invalid(format_args!("is missing, and the items' sum {bound}"))
                .inside("total")
        }),
    }
}

impl FromObject for PlaceOrderBody {
    fn from_object(fields: &mut Fields<'_, '_>) -> Result<Self, FieldError> {
        Ok(Self {
            order_id: fields.optional("order_id")?,
            order_customer: fields.required("order_customer")?,
            items: fields.required("items")?,
            total: fields.optional("total")?,
            status: fields.optional("status")?,
        })
    }
}

impl FromObject for CustomerBody {
    fn from_object(fields: &mut Fields<'_, '_>) -> Result<Self, FieldError> {
        Ok(Self {
            customer_id: fields.required("customer_id")?,
            name: fields.required("name")?,
            email: fields.required("email")?,
        })
    }
}

impl FromObject for ItemBody {
    fn from_object(fields: &mut Fields<'_, '_>) -> Result<Self, FieldError> {
        Ok(Self {
            product_id: fields.required("product_id")?,
            name: fields.required("name")?,
            quantity: fields.required("quantity")?,
            price_per_unit: fields.required("price_per_unit")?,
        })
    }
}

impl FromNode for Vec<ItemBody> {
    fn from_node(node: &Node<'_>, deviations: &mut Deviations) -> Result<Self, FieldError> {
        let Node::Array(items) = node else {
            return Err(FieldError::invalid("must be an array"));
        };
        // Counted first: a body can hold 100,000 items.
        if items.len() > MAX_ITEMS {
            return Err(FieldError::invalid(InvalidItems { count: items.len() }));
        }
        let read = |(at, item)| ItemBody::from_node(item, deviations).map_err(|error| error.at(at));
        items.iter().enumerate().map(read).collect()
    }
}

impl From<CustomerBody> for Customer {
    fn from(body: CustomerBody) -> Self {
        let CustomerBody { customer_id, name, email } = body;
        Self { customer_id, name, email }
    }
}

impl From<ItemBody> for Item {
    fn from(body: ItemBody) -> Self {
        let ItemBody { product_id, name, quantity, price_per_unit } = body;
        Self { product_id, name, quantity, price_per_unit }
    }
}
