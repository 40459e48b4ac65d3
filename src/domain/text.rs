//! Free text: limited in length, stored unchanged.

use std::fmt;
use std::sync::Arc;

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    #[error("must have at most {max} characters, has {length}")]
    TooLong { max: usize, length: usize },
    #[error("must not contain the NUL character")]
    Nul,
}

fn checked(text: Arc<str>, max: usize) -> Result<Arc<str>, InvalidText> {
    if text.len() > max {
        let length = text.chars().count();
        if length > max {
            return Err(InvalidText::TooLong { max, length });
        }
    }
    // PostgreSQL cannot store U+0000 in text: one such value would fail the whole batch.
    if text.contains('\0') {
        return Err(InvalidText::Nul);
    }
    Ok(text)
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        ///
        /// Clones share the text.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Maximum length, in characters.
            pub const MAX_CHARS: usize = $max;

            /// # Errors
            /// When the text is longer than [`Self::MAX_CHARS`] or contains U+0000.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidText> {
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
    };
}

text!(
    /// The name of a person or a product; may be empty.
    Name, 200
);
text!(
    /// The e-mail address of a customer; its syntax is not checked.
    Email, 320
);
text!(
    /// The reason given for a change.
    Reason, 200
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_empty_and_has_at_most_200_characters() {
        assert!(Name::new("").is_ok());
        assert!(Name::new("é".repeat(200)).is_ok());
        assert_eq!(Name::new("é".repeat(201)), Err(InvalidText::TooLong { max: 200, length: 201 }));
    }

    #[test]
    fn text_is_kept_unchanged() {
        for text in ["<script>", "${jndi:x}", "a\r\nb", "Robert'); --", "{a,\"b\"}"] {
            assert_eq!(Name::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn nul_is_refused() {
        assert_eq!(Name::new("a\0b"), Err(InvalidText::Nul));
    }
}
