//! The status of an order.

use std::fmt;
use std::str::FromStr;

use strum::EnumCount;

/// The six statuses, in the order of their codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount)]
pub enum Status {
    Received,
    Processing,
    PaymentComplete,
    Shipping,
    Completed,
    Cancelled,
}

/// A text or number that is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one of Received, Processing, Payment complete, Shipping, Completed, Cancelled, or a code from 1 to 6"
)]
pub struct UnknownStatus;

impl Status {
    pub const ALL: [Self; Self::COUNT] = [
        Self::Received,
        Self::Processing,
        Self::PaymentComplete,
        Self::Shipping,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The code in messages and tables: 1 to 6.
    pub fn code(self) -> i16 {
        self as i16 + 1
    }

    /// The name in messages: `Payment complete`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "Received",
            Self::Processing => "Processing",
            Self::PaymentComplete => "Payment complete",
            Self::Shipping => "Shipping",
            Self::Completed => "Completed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// The word in routing keys: `payment_complete`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Processing => "processing",
            Self::PaymentComplete => "payment_complete",
            Self::Shipping => "shipping",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether no command can change an order in this status.
    pub fn is_final(self) -> bool {
        self.next().is_none()
    }

    /// The next status on the way from Received to Completed; `None` for a final one.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Received => Some(Self::Processing),
            Self::Processing => Some(Self::PaymentComplete),
            Self::PaymentComplete => Some(Self::Shipping),
            Self::Shipping => Some(Self::Completed),
            Self::Completed | Self::Cancelled => None,
        }
    }
}

impl TryFrom<i64> for Status {
    type Error = UnknownStatus;

    fn try_from(code: i64) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|status| i64::from(status.code()) == code).ok_or(UnknownStatus)
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    /// Parses a name, in any case and with any word separator, or a code.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(code) = text.parse::<i64>() {
            return Self::try_from(code);
        }
        let normalized = |name: &str| -> String {
            name.chars()
                .filter(|c| !matches!(c, ' ' | '_' | '-' | '.'))
                .flat_map(char::to_lowercase)
                .collect()
        };
        let wanted = normalized(text);
        Self::ALL
            .into_iter()
            .find(|status| normalized(status.word()) == wanted)
            .ok_or(UnknownStatus)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_any_spelling_and_by_code() {
        for text in
            ["Payment complete", "payment_complete", "PaymentComplete", "PAYMENT-COMPLETE", "3"]
        {
            assert_eq!(text.parse(), Ok(Status::PaymentComplete), "{text}");
        }
    }

    #[test]
    fn an_unknown_status_is_refused() {
        for text in ["", "0", "7", "Paid", "Receiving", "3.0", "Рeceived"] {
            assert_eq!(text.parse::<Status>(), Err(UnknownStatus), "{text}");
        }
    }

    #[test]
    fn codes_run_from_one_to_six() {
        let codes: Vec<i16> = Status::ALL.into_iter().map(Status::code).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6]);
        assert!(
            Status::ALL
                .into_iter()
                .all(|status| Status::try_from(i64::from(status.code())) == Ok(status))
        );
    }

    #[test]
    fn only_completed_and_cancelled_are_final() {
        let last: Vec<Status> =
            Status::ALL.into_iter().filter(|status| status.is_final()).collect();
        assert_eq!(last, [Status::Completed, Status::Cancelled]);
    }
}
