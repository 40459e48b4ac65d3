//! Which statuses endpoints answer when something is wrong, and what each means.

const BAD_REQUEST: (u16, &str) =
    (400, "The request is wrong, or a rule refuses it: code and field say which.");
const BAD_QUESTION: (u16, &str) = (400, "A parameter is wrong: field says which.");
const UNAUTHORIZED: (u16, &str) = (401, "There is no valid token.");
const FORBIDDEN: (u16, &str) = (403, "The token's role may not do this.");
const NO_ORDER: (u16, &str) = (404, "There is no such order.");
const NO_MESSAGE: (u16, &str) =
    (404, "No such message is done with: it is unknown, still on its way, or long ago.");
const TOO_SLOW: (u16, &str) = (408, "The body did not come in time.");
const ORDER_ID_REUSED: (u16, &str) = (409, "An order of this id has other content.");
const TOO_LARGE: (u16, &str) = (413, "The body has more than 256 KiB.");
const NO_JSON: (u16, &str) = (415, "The body is not JSON by its Content-Type, or is compressed.");
const KEY_REUSED: (u16, &str) = (422, "The Idempotency-Key came before with another request.");
const INTERNAL: (u16, &str) = (500, "The worker has a bug, or its database refuses the order.");
const UNAVAILABLE: (u16, &str) =
    (503, "The database does not answer, or the worker stops: try again, with the same key.");

pub const PLACE: &[(u16, &str)] = &[
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    TOO_SLOW,
    ORDER_ID_REUSED,
    TOO_LARGE,
    NO_JSON,
    KEY_REUSED,
    INTERNAL,
    UNAVAILABLE,
];

pub const MOVE: &[(u16, &str)] = &[
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    NO_ORDER,
    TOO_SLOW,
    TOO_LARGE,
    NO_JSON,
    KEY_REUSED,
    INTERNAL,
    UNAVAILABLE,
];

pub const LIST: &[(u16, &str)] = &[BAD_QUESTION, UNAUTHORIZED, FORBIDDEN, UNAVAILABLE];

pub const ORDER: &[(u16, &str)] = &[BAD_QUESTION, UNAUTHORIZED, FORBIDDEN, NO_ORDER, UNAVAILABLE];

pub const MESSAGE: &[(u16, &str)] =
    &[BAD_QUESTION, UNAUTHORIZED, FORBIDDEN, NO_MESSAGE, UNAVAILABLE];
