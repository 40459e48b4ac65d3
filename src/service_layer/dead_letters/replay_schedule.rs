//! The schedule of a replay.

use std::str::FromStr;
use std::time::Duration;

/// The sizes of the steps of a replay: each is published when the outcomes of the one before are
/// known. The last size repeats until the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySchedule(Vec<Step>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Of(usize),
    All,
}

/// Maximum messages in a step, whatever the schedule says.
const MAX_STEP: usize = 1000;

/// A text that is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be step sizes from 1, optionally ending with `all`, such as 1,2,5,20,all")]
pub struct InvalidReplaySchedule;

impl ReplaySchedule {
    /// The sizes of the steps for so many messages.
    pub fn sizes(&self, messages: usize) -> impl Iterator<Item = usize> {
        let last = *self.0.last().unwrap_or(&Step::All);
        let steps = self.0.iter().copied().chain(std::iter::repeat(last));
        let mut left = messages;
        steps.map_while(move |step| {
            let size = match step {
                Step::Of(size) => size.min(left).min(MAX_STEP),
                Step::All => left.min(MAX_STEP),
            };
            left -= size;
            (size > 0).then_some(size)
        })
    }
}

impl FromStr for ReplaySchedule {
    type Err = InvalidReplaySchedule;

    fn from_str(text: &str) -> Result<Self, InvalidReplaySchedule> {
        let mut steps = Vec::new();
        for part in text.split(',') {
            if steps.last() == Some(&Step::All) {
                return Err(InvalidReplaySchedule);
            }
            steps.push(match part.trim() {
                "all" => Step::All,
                number => match number.parse() {
                    Ok(size @ 1..) => Step::Of(size),
                    _ => return Err(InvalidReplaySchedule),
                },
            });
        }
        Ok(Self(steps))
    }
}

/// The time between two messages at this rate.
pub fn interval(per_second: u32) -> Duration {
    Duration::from_secs(1) / per_second.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(pace: &str, messages: usize) -> Vec<usize> {
        pace.parse::<ReplaySchedule>().unwrap().sizes(messages).collect()
    }

    #[test]
    fn the_last_size_goes_on_until_the_end() {
        assert_eq!(sizes("1,2,5,20,all", 40), [1, 2, 5, 20, 12]);
        assert_eq!(sizes("1,3", 8), [1, 3, 3, 1]);
        assert_eq!(sizes("all", 0), [0; 0]);
        assert_eq!(sizes("all", 2500), [1000, 1000, 500]);
    }

    #[test]
    fn an_invalid_schedule_is_refused() {
        for text in ["", "0", "1,,2", "all,1", "-1", "many"] {
            assert_eq!(text.parse::<ReplaySchedule>(), Err(InvalidReplaySchedule), "{text}");
        }
    }
}
