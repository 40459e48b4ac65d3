//! Number formats.

use std::time::Duration;

use crate::messages::MAX_COUNTED;

/// Shown for unknown values.
pub const UNKNOWN: &str = "–";

/// `1,234,567`
pub fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of rows, which stops at [`MAX_COUNTED`]: `100,000+`.
pub fn counted(count: u64) -> String {
    let suffix = if count >= u64::from(MAX_COUNTED) { "+" } else { "" };
    whole(count) + suffix
}

/// `0`, `0.4`, `12.3`, `1,234`
pub fn rough(number: f64) -> String {
    if number < 0.05 {
        "0".to_owned()
    } else if number < 99.95 {
        format!("{number:.1}")
    } else {
        whole(rounded(number))
    }
}

/// `0.4 ms`, `12 ms`, `3.4 s`
pub fn seconds(seconds: f64) -> String {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    match time.as_micros() {
        micros @ ..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        micros @ 10_000..1_000_000 => format!("{} ms", micros / 1_000),
        micros @ 1_000_000..100_000_000 => {
            format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000)
        }
        _ => age(time),
    }
}

/// `12 s`, `5 min`, `3 h`, `2 days`
pub fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `1,234`
pub fn nearest(number: f64) -> String {
    whole(rounded(number))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "metrics are positive, and far below 2^53"
)]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thousands_separators() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(whole), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(100_000), "100,000+");
    }

    #[test]
    fn rates_have_one_decimal_below_100() {
        let shown = [0.0, 0.04, 0.25, 12.34, 99.9, 99.97, 15_270.4].map(rough);
        assert_eq!(shown, ["0", "0", "0.2", "12.3", "99.9", "100", "15,270"]);
    }

    #[test]
    fn durations_have_a_unit() {
        let shown = [0.0004, 0.0123, 0.999, 3.42, 250.0].map(seconds);
        assert_eq!(shown, ["0.4 ms", "12 ms", "999 ms", "3.4 s", "4 min"]);
        let shown = [5, 600, 7_200, 400_000].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(shown, ["5 s", "10 min", "2 h", "4 days"]);
    }
}
