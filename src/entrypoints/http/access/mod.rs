//! Who may do what.

mod guard;
mod role;
mod token;

pub use guard::{Asking, guard, local_caller};
pub use role::{Caller, Permission, Role};
pub use token::{InvalidTokens, Token, Tokens};
