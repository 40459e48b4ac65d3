//! What publishers want, and the words in which they say it.

mod written;

use order_worker::domain::{CommandKind, Status};
use order_worker::service_layer::{BodyHash, Properties};
use sha2::{Digest, Sha256};

pub use written::{fresh, published};

/// One wish of a publisher. Whoever repeats it publishes the same words again.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// Travels as the correlation id, so that every copy tells whose it is.
    pub label: String,
    pub message_id: Option<String>,
    pub order_id: Option<String>,
    pub wish: Wish,
    answered: bool,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Place,
    Cancel,
    SetStatus(Status),
    Next(Option<Status>),
    /// No command, or one that cannot be read.
    Nonsense(&'static str),
}

impl Wish {
    fn kind(self) -> Option<CommandKind> {
        match self {
            Self::Place => Some(CommandKind::PlaceOrder),
            Self::Cancel => Some(CommandKind::CancelOrder),
            Self::SetStatus(_) => Some(CommandKind::SetStatus),
            Self::Next(_) => Some(CommandKind::SetNextStatus),
            Self::Nonsense(_) => None,
        }
    }
}

impl IdempotencyKey {
    pub fn routing_key(&self) -> String {
        let word = self.wish.kind().map_or("cancel", CommandKind::word);
        format!("order.{word}")
    }

    pub fn properties(&self) -> Properties {
        Properties {
            kind: self.wish.kind().map(|kind| kind.name().to_owned()),
            message_id: self.message_id.clone(),
            correlation_id: Some(self.label.clone()),
            reply_to: self.answered.then(|| "answers".to_owned()),
            ..Properties::default()
        }
    }

    /// As documented: the first half of SHA-256 over the command's name, a NUL byte and the body.
    pub fn body_hash(&self) -> Option<BodyHash> {
        let name = self.wish.kind()?.name();
        let digest = Sha256::new().chain_update(name).chain_update([0]).chain_update(&self.body);
        digest.finalize()[..16].try_into().ok()
    }
}
