//! Exact amounts of money, parsed from decimal digits.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

/// An amount of money: at least 0, below 10^10, at most two decimals.
///
/// Never a binary float. The parser of `Decimal` is not used, because it silently rounds excess
/// digits and accepts `1_000.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(Decimal);

/// Why a text or a sum is not an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    #[error("must be a decimal number such as 12.50")]
    NotANumber,
    #[error("must not be negative")]
    Negative,
    #[error("must have at most 2 decimals")]
    TooPrecise,
    #[error("must be below 10000000000")]
    TooLarge,
}

/// The exclusive maximum, in cents: 10^10 units.
const TOO_LARGE_CENTS: i64 = 1_000_000_000_000;

impl Money {
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// # Errors
    /// When the number of cents is negative or reaches 10^12.
    pub fn from_cents(cents: i64) -> Result<Self, InvalidMoney> {
        match cents {
            ..0 => Err(InvalidMoney::Negative),
            TOO_LARGE_CENTS.. => Err(InvalidMoney::TooLarge),
            _ => Ok(Self(Decimal::new(cents, 2))),
        }
    }

    /// The amount in cents, in `0..10^12`.
    pub fn cents(self) -> i64 {
        let mut scaled = self.0;
        scaled.rescale(2);
        // Below 10^12 by construction, far inside the mantissa's and i64's range.
        i64::try_from(scaled.mantissa()).unwrap_or(i64::MAX)
    }

    pub fn as_decimal(self) -> Decimal {
        self.0
    }

    /// # Errors
    /// [`InvalidMoney::TooLarge`] when the product reaches 10^10.
    pub fn times(self, quantity: u32) -> Result<Self, InvalidMoney> {
        let cents = self.cents().checked_mul(i64::from(quantity)).ok_or(InvalidMoney::TooLarge)?;
        Self::from_cents(cents)
    }

    /// # Errors
    /// [`InvalidMoney::TooLarge`] when the sum reaches 10^10.
    pub fn plus(self, other: Self) -> Result<Self, InvalidMoney> {
        Self::from_cents(self.cents() + other.cents())
    }
}

impl TryFrom<Decimal> for Money {
    type Error = InvalidMoney;

    fn try_from(amount: Decimal) -> Result<Self, Self::Error> {
        let mut normal = amount.normalize();
        if normal.scale() > 2 {
            return Err(InvalidMoney::TooPrecise);
        }
        if normal >= Decimal::new(TOO_LARGE_CENTS, 2) {
            return Err(InvalidMoney::TooLarge);
        }
        normal.rescale(2);
        i64::try_from(normal.mantissa())
            .map_err(|_| InvalidMoney::TooLarge)
            .and_then(Self::from_cents)
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;

    /// Parses `12`, `12.5`, `012.50`, `1.25e1`: digits, one optional point with digits on both
    /// sides, an optional exponent. No sign, no space, no separator.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(amount) = text.strip_prefix('-') {
            return Err(match split_number(amount) {
                Some(_) => InvalidMoney::Negative,
                None => InvalidMoney::NotANumber,
            });
        }
        let (whole, fraction, exponent) = split_number(text).ok_or(InvalidMoney::NotANumber)?;
        let digits = || whole.bytes().chain(fraction.bytes());
        let significant = digits().enumerate().filter(|&(_, digit)| digit != b'0');
        let Some((first, _)) = significant.clone().next() else {
            return Ok(Self::ZERO);
        };
        let last = significant.map(|(at, _)| at).last().unwrap_or(first);
        // The power of ten, counted in cents, of the digit at `position`.
        let count = |digits: usize| i64::try_from(digits).unwrap_or(i64::MAX);
        let power = |position: usize| count(whole.len()) - 1 - count(position) + exponent + 2;
        if power(last) < 0 {
            return Err(InvalidMoney::TooPrecise);
        }
        if power(first) >= 12 {
            return Err(InvalidMoney::TooLarge);
        }
        let mut cents = 0_i64;
        for digit in digits().skip(first).take(last - first + 1) {
            cents = cents * 10 + i64::from(digit - b'0');
        }
        for _ in 0..power(last) {
            cents *= 10;
        }
        Self::from_cents(cents)
    }
}

/// Splits `12.50e3` into whole digits, fraction digits and exponent.
fn split_number(text: &str) -> Option<(&str, &str, i64)> {
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if all_digits(fraction) => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    all_digits(whole).then_some((whole, fraction, exponent))
}

/// Parses an exponent, clamped to ±1,000,000: beyond that only its sign matters, for amounts of up
/// to 256 KiB of digits.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits
        .bytes()
        .fold(0, |size: i64, digit| (size * 10 + i64::from(digit - b'0')).min(1_000_000));
    Some(if negative { -size } else { size })
}

impl fmt::Display for Money {
    /// Always with two decimals: `190.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = self.cents();
        f.pad(&format!("{}.{:02}", cents / 100, cents % 100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Result<String, InvalidMoney> {
        text.parse::<Money>().map(|amount| amount.to_string())
    }

    #[test]
    fn digits_are_read_exactly() {
        for (text, shown) in [
            ("10", "10.00"),
            ("10.5", "10.50"),
            ("0.1", "0.10"),
            ("190.00", "190.00"),
            ("007.50", "7.50"),
            ("10.5000", "10.50"),
            ("1E+2", "100.00"),
            ("1.25e1", "12.50"),
            ("1250e-2", "12.50"),
            ("0", "0.00"),
            ("0e999999999999", "0.00"),
            ("9999999999.99", "9999999999.99"),
        ] {
            assert_eq!(money(text).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn more_than_two_decimals_are_refused_not_rounded() {
        for text in ["10.005", "0.001", "1e-3", "1e-999999999999"] {
            assert_eq!(money(text), Err(InvalidMoney::TooPrecise), "{text}");
        }
    }

    #[test]
    fn ten_to_the_tenth_and_beyond_are_refused() {
        let digits = "9".repeat(400);
        for text in ["10000000000", "1e10", "1e400", "9223372036854775808", &digits] {
            assert_eq!(money(text), Err(InvalidMoney::TooLarge), "{text}");
        }
    }

    #[test]
    fn negative_amounts_and_a_negative_zero_are_refused() {
        for text in ["-1", "-0", "-0.01"] {
            assert_eq!(money(text), Err(InvalidMoney::Negative), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_number_is_refused() {
        for text in [
            "", " ", "1_000.5", "12,50", "NaN", "inf", "+1", ".5", "5.", "1.2.3", "0x10", "1e",
            "--1", "١", "1 ",
        ] {
            assert_eq!(money(text), Err(InvalidMoney::NotANumber), "{text}");
        }
    }

    #[test]
    fn products_and_sums_stay_in_bounds() {
        let max: Money = "9999999999.99".parse().unwrap();
        assert_eq!(max.times(2), Err(InvalidMoney::TooLarge));
        assert_eq!(max.times(u32::MAX), Err(InvalidMoney::TooLarge));
        assert_eq!(max.plus(Money::from_cents(1).unwrap()), Err(InvalidMoney::TooLarge));
        assert_eq!("12.50".parse::<Money>().unwrap().times(3).unwrap().to_string(), "37.50");
    }

    #[test]
    fn a_decimal_from_a_database_row_must_fit_too() {
        assert_eq!(Money::try_from(Decimal::new(1905, 1)).unwrap().to_string(), "190.50");
        assert_eq!(Money::try_from(Decimal::new(-1, 0)), Err(InvalidMoney::Negative));
        assert_eq!(Money::try_from(Decimal::new(10_005, 3)), Err(InvalidMoney::TooPrecise));
        assert_eq!(Money::try_from(Decimal::MAX), Err(InvalidMoney::TooLarge));
    }
}
