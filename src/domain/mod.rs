//! The business: orders, what may be done to them, and what is said about it.
//!
//! Pure by rule: no async, no clock, no SQL, no AMQP. Time and numbers come in as parameters, events
//! come out as values. Every type has private fields and one door in, so a value that exists is valid.

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
