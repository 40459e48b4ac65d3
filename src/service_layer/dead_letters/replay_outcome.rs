//! The outcomes of a replay.

/// The outcome of the replay of one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// A worker has processed it: the outcome, and the code of the rule that rejected it.
    Handled {
        outcome: &'static str,
        code: Option<String>,
    },
    FailedAgain {
        code: String,
        detail: String,
    },
    /// The broker has confirmed it; no worker has processed it in time.
    NoOutcomeYet,
    /// The order's status has changed since the command failed.
    Superseded(String),
    /// Another replay has claimed it, it is discarded, or it has reached the maximum of replays.
    NotOpen,
    /// The broker did not confirm it; it is open again.
    Unpublished(String),
}

impl ReplayOutcome {
    /// For tables and JSON.
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

    /// Whether a worker has processed it.
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
