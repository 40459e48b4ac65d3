//! Horizontal bars with their ranges, and a limit.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "coordinates")]

use super::super::tables::thousands;
use super::svg::{Anchor, Drawing};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 64.0;
const STEP: f64 = 28.0;
const THICKNESS: f64 = 16.0;

#[derive(Debug)]
pub struct Bar {
    pub name: String,
    pub value: f64,
    pub least: f64,
    pub most: f64,
}

#[derive(Debug)]
pub struct BarChart {
    pub title: &'static str,
    pub bars: Vec<Bar>,
    pub limit: Option<f64>,
}

impl BarChart {
    pub fn draw(&self) -> String {
        let bottom = TOP + STEP * self.bars.len() as f64;
        let mut drawing = Drawing::new(self.title, WIDTH, bottom + 20.0);
        if let Some(limit) = self.limit {
            let x = self.x(limit);
            drawing.line("limit", (x, TOP - 6.0), (x, bottom));
            let name = format!("limit {}", thousands(limit));
            drawing.text("limit-name", (x, TOP - 12.0), Anchor::Middle, &name);
        }
        for (number, bar) in self.bars.iter().enumerate() {
            self.bar(&mut drawing, bar, TOP + STEP * number as f64);
        }
        drawing.finish()
    }

    fn bar(&self, drawing: &mut Drawing, bar: &Bar, y: f64) {
        let (middle, base) = (y + THICKNESS / 2.0, y + THICKNESS - 3.0);
        drawing.text("name", (LEFT - 10.0, base), Anchor::End, &bar.name);
        drawing.rectangle("bar", (LEFT, y), (self.x(bar.value) - LEFT, THICKNESS));
        drawing.line("range", (self.x(bar.least), middle), (self.x(bar.most), middle));
        let end = self.x(bar.most.max(bar.value)) + 6.0;
        drawing.text("value", (end, base), Anchor::Start, &thousands(bar.value));
    }

    fn x(&self, value: f64) -> f64 {
        let values = self.bars.iter().map(|bar| bar.most).chain(self.limit);
        let most = values.fold(1.0, f64::max);
        LEFT + value / most * (WIDTH - LEFT - RIGHT)
    }
}
