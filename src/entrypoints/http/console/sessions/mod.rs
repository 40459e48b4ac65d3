//! Who is signed in, kept in memory: all sessions end with the worker.

mod attempts;
mod cookie;
mod secret;
mod session;
mod store;

pub use attempts::{Attempts, origin_of};
pub use cookie::{ended_cookie, present_cookie, session_cookie};
pub use session::{Flash, Session};
pub use store::Sessions;
