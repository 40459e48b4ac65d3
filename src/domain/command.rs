//! Commands: requests of the shop and its operators to change an order.

use std::fmt;

use strum::EnumCount;

use super::{Customer, Items, Money, OrderId, Reason, Status};

/// A request to change one order, with valid fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    PlaceOrder(PlaceOrder),
    CancelOrder(CancelOrder),
    SetStatus(SetStatus),
    SetNextStatus(SetNextStatus),
}

/// Place a new order. Without an order id, the worker assigns the next number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceOrder {
    pub order_id: Option<OrderId>,
    pub customer: Customer,
    pub items: Items,
    /// What the customer pays; may differ from the sum of the items (discounts, shipping).
    pub total: Money,
}

/// Cancel an order that is still Received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOrder {
    pub order_id: OrderId,
    pub reason: Option<Reason>,
}

/// Set any status, as an operator's correction, unless the order is in a final status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetStatus {
    pub order_id: OrderId,
    pub status: Status,
}

/// Move an order to its next status. With `from`, only out of that status, which makes the command
/// idempotent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetNextStatus {
    pub order_id: OrderId,
    pub from: Option<Status>,
}

impl Command {
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::PlaceOrder(_) => CommandKind::PlaceOrder,
            Self::CancelOrder(_) => CommandKind::CancelOrder,
            Self::SetStatus(_) => CommandKind::SetStatus,
            Self::SetNextStatus(_) => CommandKind::SetNextStatus,
        }
    }

    /// The order id in the command; `None` when the worker has to assign a number.
    pub fn order_id(&self) -> Option<&OrderId> {
        match self {
            Self::PlaceOrder(place) => place.order_id.as_ref(),
            Self::CancelOrder(cancel) => Some(&cancel.order_id),
            Self::SetStatus(set) => Some(&set.order_id),
            Self::SetNextStatus(next) => Some(&next.order_id),
        }
    }

    /// The reason in the command, if it has one.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::CancelOrder(cancel) => cancel.reason.as_ref(),
            Self::PlaceOrder(_) | Self::SetStatus(_) | Self::SetNextStatus(_) => None,
        }
    }

    /// The field without which the command is not idempotent, so that it needs a message id; `None`
    /// for an idempotent command.
    pub fn missing_for_idempotence(&self) -> Option<&'static str> {
        match self {
            Self::PlaceOrder(place) => place.order_id.is_none().then_some("order_id"),
            Self::CancelOrder(_) | Self::SetStatus(_) => None,
            Self::SetNextStatus(next) => next.from.is_none().then_some("from"),
        }
    }
}

/// The type of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount)]
pub enum CommandKind {
    PlaceOrder,
    CancelOrder,
    SetStatus,
    SetNextStatus,
}

impl CommandKind {
    pub const ALL: [Self; Self::COUNT] =
        [Self::PlaceOrder, Self::CancelOrder, Self::SetStatus, Self::SetNextStatus];

    /// The name in messages: `PlaceOrder`.
    pub fn name(self) -> &'static str {
        match self {
            Self::PlaceOrder => "PlaceOrder",
            Self::CancelOrder => "CancelOrder",
            Self::SetStatus => "SetStatus",
            Self::SetNextStatus => "SetNextStatus",
        }
    }

    /// The word in routing keys: `order.place`, `order.rejected.place`.
    pub fn word(self) -> &'static str {
        match self {
            Self::PlaceOrder => "place",
            Self::CancelOrder => "cancel",
            Self::SetStatus => "set_status",
            Self::SetNextStatus => "set_next_status",
        }
    }

    /// Parses a name such as `PlaceOrder`, in any case and with any word separator.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| equal_ignoring_case_and_separators(name, kind.name()))
    }

    /// Parses a routing key such as `order.set_next_status`, in any case and with any separator.
    pub fn from_routing_key(key: &str) -> Option<Self> {
        let (prefix, word) = key.split_at_checked("order".len())?;
        if !prefix.eq_ignore_ascii_case("order") {
            return None;
        }
        Self::ALL.into_iter().find(|kind| equal_ignoring_case_and_separators(word, kind.word()))
    }
}

impl fmt::Display for CommandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whether two names are equal, ignoring case and word separators.
fn equal_ignoring_case_and_separators(left: &str, right: &str) -> bool {
    fn normalized(name: &str) -> impl Iterator<Item = u8> + '_ {
        name.bytes().filter(|byte| !b" _-.".contains(byte)).map(|byte| byte.to_ascii_lowercase())
    }
    normalized(left).eq(normalized(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_in_any_case_and_with_any_separator() {
        for name in ["SetNextStatus", "set_next_status", "SET-NEXT-STATUS", "set next status"] {
            assert_eq!(CommandKind::from_name(name), Some(CommandKind::SetNextStatus), "{name}");
        }
        for name in ["", "Order", "PlaceOrders", "РlaceOrder"] {
            assert_eq!(CommandKind::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_routing_key_names_its_command() {
        for kind in CommandKind::ALL {
            assert_eq!(
                CommandKind::from_routing_key(&format!("order.{}", kind.word())),
                Some(kind)
            );
        }
        assert_eq!(CommandKind::from_routing_key("ORDER.Set-Status"), Some(CommandKind::SetStatus));
        for key in ["", "order", "order.", "orders.place", "shop.place", "ordér.place"] {
            assert_eq!(CommandKind::from_routing_key(key), None, "{key}");
        }
    }
}
