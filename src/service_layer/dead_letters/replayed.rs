//! What became of a dead letter that was to be replayed.

/// What became of one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// A worker has handled it: the outcome, and the code of the rule that rejected it.
    Handled {
        outcome: &'static str,
        code: Option<String>,
    },
    FailedAgain {
        code: String,
        detail: String,
    },
    /// It is with the broker; what became of it was not seen in time.
    NoOutcomeYet,
    Superseded(String),
    /// Somebody else has it, it is discarded, or it has had all its replays.
    NotOpen,
    /// The broker did not take it; it is open again.
    Unpublished(String),
}

impl Replayed {
    /// The word in tables.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Handled { outcome, .. } => outcome,
            Self::FailedAgain { .. } => "failed again",
            Self::NoOutcomeYet => "no outcome yet",
            Self::Superseded(_) => "superseded",
            Self::NotOpen => "not open",
            Self::Unpublished(_) => "not published",
        }
    }

    pub fn detail(&self) -> String {
        match self {
            Self::Handled { code, .. } => code.clone().unwrap_or_default(),
            Self::FailedAgain { code, detail } => format!("{code}: {detail}"),
            Self::Superseded(detail) | Self::Unpublished(detail) => detail.clone(),
            Self::NoOutcomeYet | Self::NotOpen => String::new(),
        }
    }

    /// Whether a worker is done with it.
    pub fn is_handled(&self) -> bool {
        matches!(self, Self::Handled { .. })
    }

    pub fn is_failure(&self) -> bool {
        match self {
            Self::FailedAgain { .. } | Self::Unpublished(_) => true,
            Self::Handled { .. } | Self::NoOutcomeYet | Self::Superseded(_) | Self::NotOpen => {
                false
            }
        }
    }
}
