//! Orders and messages for new clients.

mod changes;
mod list;
mod messages;
mod one;

use super::endpoint::Endpoint;

/// In the order of the document.
pub const ENDPOINTS: [Endpoint; 7] = [
    changes::PLACE,
    list::LIST,
    one::SHOW,
    changes::CANCEL,
    changes::SET_STATUS,
    changes::SET_NEXT_STATUS,
    messages::SHOW,
];
