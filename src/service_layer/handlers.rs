//! One handler for each command: pure functions on the orders in memory.

use chrono::{DateTime, Utc};

use super::Orders;
use crate::domain::{
    CancelOrder, Command, Order, OrderId, PlaceOrder, Rejection, SetNextStatus, SetStatus,
    StatusChange,
};

/// What a handler did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Changed(OrderId, StatusChange),
    /// The order is already as the command wants it.
    Unchanged(OrderId),
    /// The order was placed before with the same content.
    AlreadyPlaced(OrderId),
}

/// Why a handler did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerError {
    /// A precondition: what the command names does not exist.
    OrderNotFound(OrderId),
    /// A precondition: the order exists with other content.
    OrderIdReused(OrderId),
    /// A rule of the domain.
    Refused(OrderId, Rejection),
}

type Handled = Result<Effect, HandlerError>;

/// Does what the command says.
pub fn handle(command: Command, orders: &mut Orders, at: DateTime<Utc>) -> Handled {
    match command {
        Command::PlaceOrder(place) => place_order(place, orders, at),
        Command::CancelOrder(cancel) => cancel_order(cancel, orders, at),
        Command::SetStatus(set) => set_status(set, orders, at),
        Command::SetNextStatus(next) => set_next_status(next, orders, at),
    }
}

fn place_order(mut place: PlaceOrder, orders: &mut Orders, at: DateTime<Utc>) -> Handled {
    let named = place.order_id.take();
    if let Some(existing) = named.as_ref().and_then(|order_id| orders.get(order_id)) {
        return ensure_same_content(existing, &place);
    }
    // The unit of work brings one number for each order without a name.
    let order_id = named.or_else(|| orders.next_number()).expect("a number for each new order");
    let (order, change) = Order::place(order_id.clone(), place, at);
    orders.add(order);
    Ok(Effect::Changed(order_id, change))
}

fn cancel_order(cancel: CancelOrder, orders: &mut Orders, at: DateTime<Utc>) -> Handled {
    let order = ensure_found(&cancel.order_id, orders)?;
    match order.cancel(at) {
        Ok(change) => Ok(Effect::Changed(cancel.order_id, change)),
        Err(refusal) => Err(HandlerError::Refused(cancel.order_id, refusal)),
    }
}

fn set_status(set: SetStatus, orders: &mut Orders, at: DateTime<Utc>) -> Handled {
    let order = ensure_found(&set.order_id, orders)?;
    match order.set_status(set.status, at) {
        Ok(Some(change)) => Ok(Effect::Changed(set.order_id, change)),
        Ok(None) => Ok(Effect::Unchanged(set.order_id)),
        Err(refusal) => Err(HandlerError::Refused(set.order_id, refusal)),
    }
}

fn set_next_status(next: SetNextStatus, orders: &mut Orders, at: DateTime<Utc>) -> Handled {
    let order = ensure_found(&next.order_id, orders)?;
    match order.advance(next.from, at) {
        Ok(change) => Ok(Effect::Changed(next.order_id, change)),
        Err(refusal) => Err(HandlerError::Refused(next.order_id, refusal)),
    }
}

fn ensure_found<'a>(
    order_id: &OrderId,
    orders: &'a mut Orders,
) -> Result<&'a mut Order, HandlerError> {
    orders.get_mut(order_id).ok_or_else(|| HandlerError::OrderNotFound(order_id.clone()))
}

fn ensure_same_content(existing: &Order, place: &PlaceOrder) -> Handled {
    let order_id = existing.order_id().clone();
    if existing.was_placed_as(place) {
        Ok(Effect::AlreadyPlaced(order_id))
    } else {
        Err(HandlerError::OrderIdReused(order_id))
    }
}
