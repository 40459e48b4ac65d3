//! The domain: orders, the commands that change them, and the events about it.
//!
//! Pure: no async, no clock, no SQL, no AMQP. Time and order numbers are parameters, events are
//! return values. Types validate on construction and have private fields, so every existing value
//! is valid.

mod command;
mod event;
mod identifier;
mod item;
mod money;
mod order;
mod status;
mod text;

pub use command::{CancelOrder, Command, CommandKind, PlaceOrder, SetNextStatus, SetStatus};
pub use event::{Rejected, StatusChanged};
pub use identifier::{CustomerId, InvalidIdentifier, MessageId, OrderId, ProductId};
pub use item::{InvalidItems, InvalidQuantity, Item, Items, MAX_ITEMS, Quantity};
pub use money::{InvalidMoney, Money};
pub use order::{Customer, Order, PersistedOrder, Rejection, StatusChange};
pub use status::{Status, UnknownStatus};
pub use text::{Email, InvalidText, Name, Reason};
