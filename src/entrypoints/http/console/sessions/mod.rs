//! Sessions of the console, in memory: they end when the worker stops.

mod attempts;
mod cookie;
mod session;
mod store;

pub use attempts::{Attempts, client_address};
pub use cookie::{removal_cookie, session_cookie, session_id};
pub use session::{Flash, Session};
pub use store::Sessions;
