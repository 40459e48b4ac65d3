//! One handler per command: pure functions on the orders of the unit of work.

use chrono::{DateTime, Utc};

use super::Orders;
use crate::domain::{
    CancelOrder, Command, Order, OrderId, PlaceOrder, Rejection, SetNextStatus, SetStatus,
    StatusChange,
};

/// The effect of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Changed(OrderId, StatusChange),
    /// The order already has the requested status.
    Unchanged(OrderId),
    /// The order was placed before with the same content.
    AlreadyPlaced(OrderId),
}

/// Why a command has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerError {
    /// Precondition: the order exists.
    OrderNotFound(OrderId),
    /// Precondition: the order id is new, or the order has the same content.
    OrderIdReused(OrderId),
    /// A business rule rejected it.
    Rejected(OrderId, Rejection),
}

type Handled = Result<Effect, HandlerError>;

/// Dispatches the command to its handler.
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
    // The unit of work loads one number for each order without an id.
    let order_id = named.or_else(|| orders.next_number()).expect("a number for each new order");
    let (order, change) = Order::place(order_id.clone(), place, at);
    orders.add(order);
    Ok(Effect::Changed(order_id, change))
}

fn cancel_order(cancel: CancelOrder, orders: &mut Orders, at: DateTime<Utc>) -> Handled {
    let order = ensure_found(&cancel.order_id, orders)?;
    match order.cancel(at) {
        Ok(change) => Ok(Effect::Changed(cancel.order_id, change)),
        Err(rejection) => Err(HandlerError::Rejected(cancel.order_id, rejection)),
    }
}

fn set_status(set: SetStatus, orders: &mut Orders, at: DateTime<Utc>) -> Handled {
    let order = ensure_found(&set.order_id, orders)?;
    match order.set_status(set.status, at) {
        Ok(Some(change)) => Ok(Effect::Changed(set.order_id, change)),
        Ok(None) => Ok(Effect::Unchanged(set.order_id)),
        Err(rejection) => Err(HandlerError::Rejected(set.order_id, rejection)),
    }
}

fn set_next_status(next: SetNextStatus, orders: &mut Orders, at: DateTime<Utc>) -> Handled {
    let order = ensure_found(&next.order_id, orders)?;
    match order.advance(next.from, at) {
        Ok(change) => Ok(Effect::Changed(next.order_id, change)),
        Err(rejection) => Err(HandlerError::Rejected(next.order_id, rejection)),
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
