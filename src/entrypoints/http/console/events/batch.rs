//! Events in portions that a browser can take, however many pass.

use std::time::Duration;

use super::line::line;

/// Time over which events are gathered.
pub const GATHERING: Duration = Duration::from_millis(250);

/// Most events of a portion that are shown; of further ones only their number is.
const MAX_SHOWN: usize = 25;

/// What passed in a moment.
#[derive(Debug, Default)]
pub struct Batch {
    bodies: Vec<Vec<u8>>,
    /// How many more there were.
    left_out: usize,
}

impl Batch {
    pub fn add(&mut self, body: Vec<u8>) {
        if self.bodies.len() < MAX_SHOWN {
            self.bodies.push(body);
        } else {
            self.left_out += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Its lines, the first event first.
    pub fn into_html(self) -> String {
        let lines = self.bodies.iter().map(|body| line(body).into_string());
        let mut lines: String = lines.collect();
        if self.left_out > 0 {
            let more = maud::html! { li .more { "… and " (self.left_out) " more" } };
            lines.push_str(&more.into_string());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_events_some_are_shown_and_the_others_counted() {
        let mut batch = Batch::default();
        for _ in 0..10_000 {
            batch.add(b"{}".to_vec());
        }

        let lines = batch.into_html();

        assert_eq!(lines.matches("<li").count(), MAX_SHOWN + 1);
        assert!(lines.ends_with("… and 9975 more</li>"), "{lines}");
    }
}
