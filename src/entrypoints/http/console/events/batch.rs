//! Batches of events that a browser can keep up with.

use std::time::Duration;

use super::line::line;

/// The time between two batches.
pub const BATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Maximum number of events of a batch that are shown; the others are only counted.
const MAX_SHOWN: usize = 25;

/// The events since the last batch.
#[derive(Debug, Default)]
pub struct Batch {
    bodies: Vec<Vec<u8>>,
    omitted: usize,
}

impl Batch {
    pub fn add(&mut self, body: Vec<u8>) {
        if self.bodies.len() < MAX_SHOWN {
            self.bodies.push(body);
        } else {
            self.omitted += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// One line per event, in order.
    pub fn into_html(self) -> String {
        let lines = self.bodies.iter().map(|body| line(body).into_string());
        let mut lines: String = lines.collect();
        if self.omitted > 0 {
            let more = maud::html! { li .more { "… and " (self.omitted) " more" } };
            lines.push_str(&more.into_string());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_beyond_the_maximum_are_only_counted() {
        let mut batch = Batch::default();
        for _ in 0..10_000 {
            batch.add(b"{}".to_vec());
        }

        let lines = batch.into_html();

        assert_eq!(lines.matches("<li").count(), MAX_SHOWN + 1);
        assert!(lines.ends_with("… and 9975 more</li>"), "{lines}");
    }
}
