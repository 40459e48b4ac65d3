//! The items of an order.

use std::sync::Arc;

use super::{InvalidMoney, Money, Name, ProductId};

/// Maximum number of items of an order.
pub const MAX_ITEMS: usize = 500;

/// The maximum of a signed 32-bit column.
const MAX_QUANTITY: u32 = i32::MAX.unsigned_abs();

/// The quantity of a product: 1 to 2^31 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u32);

/// A quantity out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to 2147483647")]
pub struct InvalidQuantity;

impl Quantity {
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = InvalidQuantity;

    fn try_from(quantity: i64) -> Result<Self, Self::Error> {
        match u32::try_from(quantity) {
            Ok(quantity @ 1..=MAX_QUANTITY) => Ok(Self(quantity)),
            _ => Err(InvalidQuantity),
        }
    }
}

/// One item line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub product_id: ProductId,
    pub name: Name,
    pub quantity: Quantity,
    pub price_per_unit: Money,
}

/// The items of an order: 1 to [`MAX_ITEMS`], in the order of the command. Immutable; clones share
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items(Arc<[Item]>);

/// A number of items out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {MAX_ITEMS} items, has {count}")]
pub struct InvalidItems {
    pub count: usize,
}

impl Items {
    /// The sum of price times quantity over all items.
    ///
    /// # Errors
    /// [`InvalidMoney::TooLarge`] when the sum reaches 10^10.
    pub fn sum(&self) -> Result<Money, InvalidMoney> {
        self.0.iter().try_fold(Money::ZERO, |sum, item| {
            sum.plus(item.price_per_unit.times(item.quantity.get())?)
        })
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Item> {
        self.0.iter()
    }
}

impl TryFrom<Vec<Item>> for Items {
    type Error = InvalidItems;

    fn try_from(items: Vec<Item>) -> Result<Self, Self::Error> {
        match items.len() {
            1..=MAX_ITEMS => Ok(Self(items.into())),
            count => Err(InvalidItems { count }),
        }
    }
}

impl<'a> IntoIterator for &'a Items {
    type Item = &'a Item;
    type IntoIter = std::slice::Iter<'a, Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
