//! What an order is made of.

use std::sync::Arc;

use super::{InvalidMoney, Money, Name, ProductId};

/// Most items that one order can hold.
pub const MAX_ITEMS: usize = 500;

/// The largest number that a signed column of 32 bits holds.
const MAX_PIECES: u32 = i32::MAX.unsigned_abs();

/// How many pieces of a product: 1 to 2^31 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u32);

/// A number of pieces that nobody can order.
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

    fn try_from(pieces: i64) -> Result<Self, Self::Error> {
        match u32::try_from(pieces) {
            Ok(pieces @ 1..=MAX_PIECES) => Ok(Self(pieces)),
            _ => Err(InvalidQuantity),
        }
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub product_id: ProductId,
    pub name: Name,
    pub quantity: Quantity,
    pub price_per_unit: Money,
}

/// The lines of an order: 1 to [`MAX_ITEMS`], in the order in which they were given. Clones share
/// them: they never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items(Arc<[Item]>);

/// A number of items that no order has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {MAX_ITEMS} items, has {count}")]
pub struct InvalidItems {
    pub count: usize,
}

impl Items {
    /// The sum of price times quantity.
    ///
    /// # Errors
    /// [`InvalidMoney::TooLarge`] when it reaches 10^10.
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
