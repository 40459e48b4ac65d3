//! Commands of which a test shows only the fact that matters to it.

use order_worker::domain::{Command, CustomerId, Email, Item, Name, PlaceOrder, Reason};
use order_worker::messages::Message;

use crate::support::messages::money;

/// The fact that matters, in the command. Goes before the message id, which stands for the whole.
pub trait WithContent {
    fn because(self, reason: &str) -> Self;
    fn of_customer(self, customer_id: &str) -> Self;
    fn with_total(self, total: &str) -> Self;
    fn with_price(self, price: &str) -> Self;
    fn with_texts(self, text: &str) -> Self;
    fn with_items(self, quantities: impl Iterator<Item = i64>) -> Self;
}

impl WithContent for Message {
    fn because(mut self, reason: &str) -> Self {
        let Command::CancelOrder(cancel) = &mut self.command else { panic!("takes no reason") };
        cancel.reason = Some(Reason::new(reason).unwrap());
        self
    }

    fn of_customer(mut self, customer_id: &str) -> Self {
        placed(&mut self).customer.customer_id = CustomerId::new(customer_id).unwrap();
        self
    }

    fn with_total(mut self, total: &str) -> Self {
        placed(&mut self).total = money(total);
        self
    }

    fn with_price(mut self, price: &str) -> Self {
        let item = Item { price_per_unit: money(price), ..first_item(&mut self) };
        placed(&mut self).items = vec![item].try_into().unwrap();
        self
    }

    /// Puts the text wherever people write.
    fn with_texts(mut self, text: &str) -> Self {
        let item = Item { name: Name::new(text).unwrap(), ..first_item(&mut self) };
        let place = placed(&mut self);
        place.customer.name = Name::new(text).unwrap();
        place.customer.email = Email::new(text).unwrap();
        place.items = vec![item].try_into().unwrap();
        self
    }

    /// One item for each quantity.
    fn with_items(mut self, quantities: impl Iterator<Item = i64>) -> Self {
        let item = first_item(&mut self);
        let of = |quantity: i64| Item { quantity: quantity.try_into().unwrap(), ..item.clone() };
        placed(&mut self).items = quantities.map(of).collect::<Vec<_>>().try_into().unwrap();
        self
    }
}

fn placed(message: &mut Message) -> &mut PlaceOrder {
    let Command::PlaceOrder(place) = &mut message.command else { panic!("places no order") };
    place
}

fn first_item(message: &mut Message) -> Item {
    placed(message).items.iter().next().unwrap().clone()
}
