//! Orders in the format of the store's client.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::domain::{Customer, Item, Items, Money, Order};
use crate::messages::wire::{amount, microseconds, moment, status_name, two_decimals};

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoreOrder")]
pub struct StoreOrder<'a> {
    #[schemars(schema_with = "id")]
    id: Id<'a>,
    #[serde(serialize_with = "store_items")]
    #[schemars(with = "Vec<StoreItem<'a>>")]
    items: &'a Items,
    #[serde(serialize_with = "two_decimals")]
    #[schemars(schema_with = "amount")]
    total: Money,
    order_customer: StoreCustomer<'a>,
    #[serde(serialize_with = "microseconds")]
    #[schemars(schema_with = "moment")]
    created_at: chrono::DateTime<chrono::Utc>,
    #[schemars(schema_with = "status_name")]
    status: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoreItem")]
struct StoreItem<'a> {
    #[schemars(length(max = 200))]
    name: &'a str,
    #[serde(serialize_with = "two_decimals")]
    #[schemars(schema_with = "amount")]
    price_per_unit: Money,
    #[schemars(schema_with = "id")]
    product_id: Id<'a>,
    #[schemars(range(min = 1, max = 2_147_483_647))]
    quantity: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoreCustomer")]
struct StoreCustomer<'a> {
    #[schemars(schema_with = "id")]
    customer_id: Id<'a>,
    #[schemars(length(max = 320))]
    email: &'a str,
    #[schemars(length(max = 200))]
    name: &'a str,
}

/// The response to a new order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StorePlaced")]
pub struct StorePlaced<'a> {
    #[schemars(schema_with = "id")]
    pub order_id: Id<'a>,
}

/// An identifier: a number if it looks like one, else a string.
#[derive(Debug, Clone, Copy)]
pub struct Id<'a>(pub &'a str);

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.number() {
            Some(number) => serializer.serialize_i64(number),
            None => serializer.serialize_str(self.0),
        }
    }
}

impl Id<'_> {
    /// The number with exactly this decimal text: no leading zeros, no plus sign, within 64 bits.
    fn number(self) -> Option<i64> {
        let digits = self.0.strip_prefix('-').unwrap_or(self.0);
        let is_plain = match digits.as_bytes() {
            [b'0'] => self.0 == "0",
            [b'1'..=b'9', ..] => true,
            _ => false,
        };
        is_plain.then(|| self.0.parse().ok())?
    }
}

fn id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "A number if the id looks like one, else a string.",
        "anyOf": [
            { "type": "integer" },
            { "type": "string", "minLength": 1, "maxLength": 64 },
        ],
    })
}

fn store_items<S: Serializer>(items: &Items, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(items.iter().map(StoreItem::from))
}

impl<'a> From<&'a Order> for StoreOrder<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            id: Id(order.order_id().as_str()),
            items: order.items(),
            total: order.total(),
            order_customer: order.customer().into(),
            created_at: order.created_at(),
            status: order.status().name(),
        }
    }
}

impl<'a> From<&'a Item> for StoreItem<'a> {
    fn from(item: &'a Item) -> Self {
        Self {
            name: item.name.as_str(),
            price_per_unit: item.price_per_unit,
            product_id: Id(item.product_id.as_str()),
            quantity: item.quantity.get(),
        }
    }
}

impl<'a> From<&'a Customer> for StoreCustomer<'a> {
    fn from(customer: &'a Customer) -> Self {
        Self {
            customer_id: Id(customer.customer_id.as_str()),
            email: customer.email.as_str(),
            name: customer.name.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(id: &str) -> String {
        serde_json::to_string(&Id(id)).unwrap()
    }

    #[test]
    fn an_id_that_looks_like_a_number_is_one() {
        for id in ["0", "7", "1000001", "-14", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(written(id), id);
        }
    }

    #[test]
    fn any_other_id_is_a_string() {
        for id in
            ["007", "-0", "+7", "-", "1.0", "1e3", " 7", "7a", "٧", "9223372036854775808", "GS-1"]
        {
            assert_eq!(written(id), format!("\"{id}\""));
        }
    }
}
