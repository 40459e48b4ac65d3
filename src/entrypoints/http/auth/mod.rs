//! Authentication by token, and permissions of roles.

mod guard;
mod localhost;
mod role;
mod token;
mod token_file;
mod tokens;

pub use guard::{Authenticated, require_permission};
pub use localhost::local_caller;
pub use role::{Caller, Permission, Role};
pub use token::{InvalidTokens, KnownTokens, Token, TokenHash, is_name, new_secret};
pub use token_file::{NotChanged, TokenFile};
pub use tokens::{Tokens, TokensUnavailable};
