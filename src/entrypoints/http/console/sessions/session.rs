//! One person at one browser.

use std::sync::{Mutex, PoisonError};

use maud::Markup;
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use super::secret::secret;
use crate::entrypoints::http::auth::{Caller, TokenHash, Tokens};

/// What the worker knows of a browser.
#[derive(Debug)]
pub struct Session {
    pub caller: Caller,
    /// Of the token with which they signed in; none where none is needed.
    token: Option<TokenHash>,
    /// Stands in each form of this session's pages, and on no other site's.
    pub csrf: String,
    /// Cancelled when it ends, but for its age.
    pub over: CancellationToken,
    flash: Mutex<Option<Flash>>,
}

/// What to tell on the next page.
#[derive(Debug)]
pub enum Flash {
    Done(Markup),
    /// It was not done, and why.
    Refused(Markup),
}

impl Session {
    pub fn of(caller: Caller, token: Option<TokenHash>) -> Self {
        Self {
            caller,
            token,
            csrf: secret(),
            over: CancellationToken::new(),
            flash: Mutex::default(),
        }
    }

    /// Whether its token is still good, and still for the same.
    pub fn is_backed_by(&self, tokens: &Tokens) -> bool {
        let backed = self.token.as_ref().and_then(|token| tokens.still_know(token));
        backed.is_some_and(|caller| caller == self.caller)
    }

    /// Takes the same time for each token that is wrong.
    pub fn knows(&self, csrf: &str) -> bool {
        self.csrf.as_bytes().ct_eq(csrf.as_bytes()).into()
    }

    pub fn tell_next(&self, flash: Flash) {
        *self.flash.lock().unwrap_or_else(PoisonError::into_inner) = Some(flash);
    }

    pub fn to_tell(&self) -> Option<Flash> {
        self.flash.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
