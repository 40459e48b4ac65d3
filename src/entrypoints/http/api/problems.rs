//! The error statuses of the endpoints, with their descriptions.

const BAD_REQUEST: (u16, &str) =
    (400, "The request is invalid, or a rule rejects it: see code and field.");
const BAD_PARAMETER: (u16, &str) = (400, "A parameter is invalid: see field.");
const UNAUTHORIZED: (u16, &str) = (401, "The token is missing or unknown.");
const FORBIDDEN: (u16, &str) = (403, "The token's role may not do this.");
const ORDER_NOT_FOUND: (u16, &str) = (404, "The order does not exist.");
const MESSAGE_NOT_FOUND: (u16, &str) =
    (404, "The message is unknown, not handled yet, or older than what is kept.");
const TIMED_OUT: (u16, &str) = (408, "The body did not arrive in time.");
const ORDER_ID_REUSED: (u16, &str) = (409, "An order with this id has other content.");
const TOO_LARGE: (u16, &str) = (413, "The body is larger than 256 KiB.");
const NOT_JSON: (u16, &str) = (415, "The Content-Type is not JSON, or the body is compressed.");
const KEY_REUSED: (u16, &str) = (422, "The Idempotency-Key was used before with another request.");
const INTERNAL: (u16, &str) = (500, "Internal error, or the database refuses the order.");
const UNAVAILABLE: (u16, &str) = (
    503,
    "The database or the list of tokens is unavailable, or the worker stops: retry with the same key.",
);

pub const PLACE: &[(u16, &str)] = &[
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    TIMED_OUT,
    ORDER_ID_REUSED,
    TOO_LARGE,
    NOT_JSON,
    KEY_REUSED,
    INTERNAL,
    UNAVAILABLE,
];

pub const MOVE: &[(u16, &str)] = &[
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    ORDER_NOT_FOUND,
    TIMED_OUT,
    TOO_LARGE,
    NOT_JSON,
    KEY_REUSED,
    INTERNAL,
    UNAVAILABLE,
];

pub const LIST: &[(u16, &str)] = &[BAD_PARAMETER, UNAUTHORIZED, FORBIDDEN, UNAVAILABLE];

pub const ORDER: &[(u16, &str)] =
    &[BAD_PARAMETER, UNAUTHORIZED, FORBIDDEN, ORDER_NOT_FOUND, UNAVAILABLE];

pub const MESSAGE: &[(u16, &str)] =
    &[BAD_PARAMETER, UNAUTHORIZED, FORBIDDEN, MESSAGE_NOT_FOUND, UNAVAILABLE];
