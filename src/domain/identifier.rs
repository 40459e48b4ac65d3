//! Identifiers assigned by other systems: stored as text, never parsed.

use std::fmt;
use std::sync::Arc;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    #[error("must not be empty")]
    Empty,
    #[error("must have at most {max} characters, has {length}")]
    TooLong { max: usize, length: usize },
    #[error("must not contain control characters")]
    ControlCharacter,
}

fn checked(text: Arc<str>, max: usize) -> Result<Arc<str>, InvalidIdentifier> {
    if text.is_empty() {
        return Err(InvalidIdentifier::Empty);
    }
    // There are at most as many characters as bytes, so short identifiers need no count.
    if text.len() > max {
        let length = text.chars().count();
        if length > max {
            return Err(InvalidIdentifier::TooLong { max, length });
        }
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidIdentifier::ControlCharacter);
    }
    Ok(text)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        ///
        /// Clones share the text.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Maximum length, in characters.
            pub const MAX_CHARS: usize = $max;

            /// # Errors
            /// When the text is empty, longer than [`Self::MAX_CHARS`], or has control characters.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidIdentifier> {
                checked(text.into(), $max).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidIdentifier;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }
    };
}

identifier!(
    /// The id of an order: assigned by the shop, or a number assigned by the worker.
    OrderId, 64
);
identifier!(
    /// The shop's id of a customer.
    CustomerId, 64
);
identifier!(
    /// The shop's id of a product.
    ProductId, 64
);
identifier!(
    /// The publisher's id of a message, by which the worker recognizes duplicates.
    MessageId, 255
);

impl OrderId {
    /// The id of an order with a number that the worker assigned.
    pub fn from_number(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_characters_and_not_bytes() {
        assert!(OrderId::new("ü".repeat(64)).is_ok());
        assert_eq!(
            OrderId::new("ü".repeat(65)),
            Err(InvalidIdentifier::TooLong { max: 64, length: 65 })
        );
    }

    #[test]
    fn empty_text_and_control_characters_are_refused() {
        assert_eq!(OrderId::new(""), Err(InvalidIdentifier::Empty));
        for text in ["a\u{0}b", "a\r\nb", "\u{1b}[31m"] {
            assert_eq!(OrderId::new(text), Err(InvalidIdentifier::ControlCharacter));
        }
    }

    #[test]
    fn any_other_text_is_accepted() {
        for text in ["14", "ORD-2026/11", "'; DROP TABLE orders", "{1,2}", " "] {
            assert_eq!(OrderId::new(text).unwrap().as_str(), text);
        }
    }
}
