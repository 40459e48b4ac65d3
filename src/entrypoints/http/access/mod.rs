//! Who may do what.

mod guard;
mod here;
mod role;
mod token;
mod token_file;
mod tokens;

pub use guard::{Asking, require_permission};
pub use here::local_caller;
pub use role::{Caller, Permission, Role};
pub use token::{Fingerprint, InvalidTokens, KnownTokens, Token, is_name};
pub use token_file::{NotChanged, TokenFile};
pub use tokens::Tokens;
