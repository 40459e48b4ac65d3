//! The paths of the store's client, with the responses that it expects.

mod commands;
mod lists;
mod order;
mod whole_list;

use super::endpoint::Endpoint;

/// In the order of the documentation.
pub const ENDPOINTS: [Endpoint; 8] = [
    commands::ADD,
    lists::OF_CUSTOMER,
    lists::INCOMPLETE,
    lists::COMPLETE,
    lists::IN_STATUS,
    commands::CANCEL,
    commands::SET_STATUS,
    commands::SET_NEXT_STATUS,
];
