//! Orders and messages for new clients.

mod changes;
mod detail;
mod list;
mod messages;

use super::endpoint::Endpoint;

/// In the order of the documentation.
pub const ENDPOINTS: [Endpoint; 7] = [
    changes::PLACE,
    list::LIST,
    detail::SHOW,
    changes::CANCEL,
    changes::SET_STATUS,
    changes::SET_NEXT_STATUS,
    messages::SHOW,
];
