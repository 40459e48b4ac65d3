//! A signed-in browser.

use std::sync::{Mutex, PoisonError};

use maud::Markup;
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::entrypoints::http::auth::{Caller, TokenHash, Tokens, TokensUnavailable, new_secret};

#[derive(Debug)]
pub struct Session {
    pub caller: Caller,
    /// Of the token used to sign in; `None` if no token is required.
    token: Option<TokenHash>,
    /// A hidden field of each form, which pages of other sites cannot know.
    pub csrf: String,
    /// Cancelled when the session ends, except by expiry.
    pub ended: CancellationToken,
    flash: Mutex<Option<Flash>>,
}

/// A notice for the next page.
#[derive(Debug)]
pub enum Flash {
    Done(Markup),
    /// The action was not done, and why.
    Refused(Markup),
}

impl Session {
    pub fn of(caller: Caller, token: Option<TokenHash>) -> Self {
        Self {
            caller,
            token,
            csrf: new_secret().expect("the system has random numbers"),
            ended: CancellationToken::new(),
            flash: Mutex::default(),
        }
    }

    /// Whether its token is still valid, with the same name and role.
    ///
    /// # Errors
    /// While the tokens cannot be read.
    pub fn is_valid(&self, tokens: &Tokens) -> Result<bool, TokensUnavailable> {
        let Some(token) = &self.token else { return Ok(false) };
        Ok(tokens.caller_with(token)?.is_some_and(|caller| caller == self.caller))
    }

    /// Takes the same time for every wrong token.
    pub fn csrf_matches(&self, csrf: &str) -> bool {
        self.csrf.as_bytes().ct_eq(csrf.as_bytes()).into()
    }

    pub fn set_flash(&self, flash: Flash) {
        *self.flash.lock().unwrap_or_else(PoisonError::into_inner) = Some(flash);
    }

    pub fn take_flash(&self) -> Option<Flash> {
        self.flash.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
