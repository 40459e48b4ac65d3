//! The commands that publishers send.

mod generate;

use order_worker::domain::{CommandKind, Status};
use order_worker::messages::{BodyHash, Properties};
use order_worker::service_layer::ORDER_ID_HEADER;
use sha2::{Digest, Sha256};

pub use generate::{all, fresh};

/// One command of a publisher. A repeat sends the same bytes again.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Sent as the correlation id, to identify every copy.
    pub label: String,
    pub message_id: Option<String>,
    pub order_id: Option<String>,
    pub action: Action,
    /// The header by which it gets to a partition: that of its order, if the publisher knows its job.
    pub order_id_header: Option<String>,
    wants_reply: bool,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Place,
    Cancel,
    SetStatus(Status),
    Next(Option<Status>),
    /// Not a command, or one that cannot be decoded; with its dead-letter code.
    Invalid(&'static str),
}

impl Action {
    fn kind(self) -> Option<CommandKind> {
        match self {
            Self::Place => Some(CommandKind::PlaceOrder),
            Self::Cancel => Some(CommandKind::CancelOrder),
            Self::SetStatus(_) => Some(CommandKind::SetStatus),
            Self::Next(_) => Some(CommandKind::SetNextStatus),
            Self::Invalid(_) => None,
        }
    }
}

impl Intent {
    pub fn routing_key(&self) -> String {
        let word = self.action.kind().map_or("cancel", CommandKind::word);
        format!("order.{word}")
    }

    pub fn properties(&self) -> Properties {
        let header = self.order_id_header.as_deref();
        Properties {
            headers: header.map(|id| (ORDER_ID_HEADER.to_owned(), id.into())).into_iter().collect(),
            kind: self.action.kind().map(|kind| kind.name().to_owned()),
            message_id: self.message_id.clone(),
            correlation_id: Some(self.label.clone()),
            reply_to: self.wants_reply.then(|| "replies".to_owned()),
            ..Properties::default()
        }
    }

    /// As documented: the first half of SHA-256 over the command's name, a NUL byte and the body.
    pub fn body_hash(&self) -> Option<BodyHash> {
        let name = self.action.kind()?.name();
        let digest = Sha256::new().chain_update(name).chain_update([0]).chain_update(&self.body);
        digest.finalize()[..16].try_into().ok()
    }
}
