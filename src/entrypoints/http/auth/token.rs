//! Tokens: random, named, stored as hashes.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Caller, Role};

/// Lets people and scanners for leaked secrets recognize a token.
const PREFIX: &str = "owt_";

/// A new token.
#[derive(Debug)]
pub struct Token {
    /// What its owner sends; not stored.
    pub secret: String,
    /// What is stored: `name:role:hash`.
    pub line: String,
}

/// SHA-256 of a token or session id. 256 random bits cannot be guessed from their hash, so there is no
/// salt and no slow hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// The tokens of a list.
#[derive(Debug, Default)]
pub struct KnownTokens(Vec<KnownToken>);

#[derive(Debug, Clone)]
struct KnownToken {
    caller: Caller,
    hash: TokenHash,
}

/// An entry that is not a token line. Never contains the entry, which may be the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number}: {problem}; `order-worker token new` makes one")]
pub struct InvalidTokens {
    /// Position of the entry, from 1.
    pub number: usize,
    pub problem: &'static str,
}

impl Token {
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(name: &str, role: Role) -> Result<Self, getrandom::Error> {
        let secret = format!("{PREFIX}{}", new_secret()?);
        let hash = BASE64_URL_SAFE_NO_PAD.encode(TokenHash::of(&secret).0);
        Ok(Self { line: format!("{name}:{role}:{hash}"), secret })
    }
}

/// 256 random bits in base64.
///
/// # Errors
/// When the system has no random numbers.
pub fn new_secret() -> Result<String, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random))
}

impl TokenHash {
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl KnownTokens {
    /// Parses entries as `order-worker token new` prints them, separated by white space. `#` starts a
    /// comment.
    ///
    /// # Errors
    /// When an entry is not `name:role:hash`, or a name is repeated.
    pub fn parse(lines: &str) -> Result<Self, InvalidTokens> {
        let mut known: Vec<KnownToken> = Vec::new();
        for (index, entry) in lines.lines().flat_map(entries).enumerate() {
            let invalid = |problem| InvalidTokens { number: index + 1, problem };
            let token = KnownToken::parse(entry).map_err(invalid)?;
            if known.iter().any(|other| other.caller.name == token.caller.name) {
                return Err(invalid("the name is repeated"));
            }
            known.push(token);
        }
        Ok(Self(known))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the list.
    pub fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.0.iter().map(|token| &token.caller)
    }

    /// The caller with this token. Takes the same time for every unknown token.
    pub fn caller(&self, secret: &str) -> Option<Caller> {
        self.caller_with(&TokenHash::of(secret))
    }

    /// The same by the token's hash.
    pub fn caller_with(&self, hash: &TokenHash) -> Option<Caller> {
        let mut found = None;
        for token in &self.0 {
            if token.hash.0.ct_eq(&hash.0).into() {
                found = Some(&token.caller);
            }
        }
        found.cloned()
    }
}

/// The entries on a line.
pub(super) fn entries(line: &str) -> impl Iterator<Item = &str> {
    line.split('#').next().unwrap_or_default().split_whitespace()
}

impl KnownToken {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        let mut parts = entry.split(':');
        let (Some(name), Some(role), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("must be name:role:hash");
        };
        if !is_name(name) {
            return Err("the name must have 1 to 40 letters, digits, - or _");
        }
        let hash = BASE64_URL_SAFE_NO_PAD.decode(hash).ok().and_then(|it| it.try_into().ok());
        Ok(Self {
            caller: Caller { name: name.to_owned(), role: role.parse()? },
            hash: TokenHash(hash.ok_or("the hash must have 43 characters of base64")?),
        })
    }
}

/// Whether a token may have this name, which appears in message ids and in the audit log.
pub fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, role: Role) -> Token {
        Token::new(name, role).unwrap()
    }

    #[test]
    fn a_token_is_recognized_by_its_line() {
        let (ada, shop) = (token("ada", Role::Operator), token("shop", Role::Store));
        let lines = format!("# people\n{} # on call\n\n{}", ada.line, shop.line);

        let tokens = KnownTokens::parse(&lines).unwrap();

        let caller = Caller { name: "shop".to_owned(), role: Role::Store };
        assert_eq!(tokens.caller(&shop.secret), Some(caller));
        assert!(!lines.contains(&ada.secret));
    }

    #[test]
    fn an_unknown_token_has_no_caller() {
        let ada = token("ada", Role::Operator);
        let tokens = KnownTokens::parse(&ada.line).unwrap();
        let (_, hash) = ada.line.rsplit_once(':').unwrap();

        for wrong in ["", "owt_", hash, &ada.secret[1..], &format!("{}x", ada.secret)] {
            assert_eq!(tokens.caller(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_invalid_entry_is_reported_by_its_number_and_not_shown() {
        let ada = token("ada", Role::Operator).line;
        for (lines, number) in [
            (format!("{ada} owt_secret"), 2),
            (format!("{ada}\n{ada}"), 2),
            ("ada:admin:secret".to_owned(), 1),
            ("ada:operator:secret".to_owned(), 1),
            ("a/b:operator:secret".to_owned(), 1),
        ] {
            let error = KnownTokens::parse(&lines).unwrap_err();
            assert_eq!(error.number, number, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
