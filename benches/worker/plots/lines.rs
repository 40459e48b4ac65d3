//! Lines over two axes.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "coordinates")]

use super::svg::{Anchor, Drawing};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 54.0;
const BOTTOM: f64 = 40.0;

#[derive(Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Positions and labels on an axis; the first and the last are its ends.
#[derive(Debug)]
pub struct Axis {
    pub ticks: Vec<(f64, String)>,
}

/// The vertical axis.
#[derive(Debug)]
pub struct VerticalAxis {
    ticks: Vec<f64>,
    logarithmic: bool,
}

#[derive(Debug)]
pub struct LineChart {
    pub title: &'static str,
    pub x: Axis,
    pub y: VerticalAxis,
    pub lines: Vec<Line>,
}

impl Axis {
    fn share(&self, value: f64) -> f64 {
        share(value, self.ticks[0].0, self.ticks[self.ticks.len() - 1].0)
    }
}

impl VerticalAxis {
    /// From the last candidate below all points to the first above them.
    pub fn logarithmic(candidates: &[f64], lines: &[Line]) -> Self {
        let first = candidates.iter().rposition(|tick| *tick <= least(lines)).unwrap_or(0);
        let last = candidates.iter().position(|tick| *tick >= most(lines));
        let last = last.unwrap_or(candidates.len() - 1).max(first);
        Self { ticks: candidates[first..=last].to_vec(), logarithmic: true }
    }

    /// From 0 to the first candidate above all points.
    pub fn linear(candidates: &[f64], lines: &[Line]) -> Self {
        let above = candidates.iter().find(|tick| **tick >= most(lines));
        let end = above.copied().unwrap_or_else(|| most(lines));
        Self {
            ticks: (0..=5).map(|step| end / 5.0 * f64::from(step)).collect(),
            logarithmic: false,
        }
    }

    fn share(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.log10() } else { value };
        share(scale(value), scale(self.ticks[0]), scale(self.ticks[self.ticks.len() - 1]))
    }
}

fn least(lines: &[Line]) -> f64 {
    values(lines).fold(f64::MAX, f64::min)
}

fn most(lines: &[Line]) -> f64 {
    values(lines).fold(0.0, f64::max)
}

fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| &line.points).map(|&(_, y)| y)
}

fn share(value: f64, first: f64, last: f64) -> f64 {
    if last > first { (value - first) / (last - first) } else { 0.5 }
}

impl LineChart {
    pub fn draw(&self) -> String {
        let mut drawing = Drawing::new(self.title, WIDTH, HEIGHT);
        self.grid(&mut drawing);
        for (number, line) in self.lines.iter().enumerate() {
            let class = format!("line of-{number}");
            let points: Vec<_> = line.points.iter().map(|&(x, y)| (self.x(x), self.y(y))).collect();
            drawing.path(&class, &points);
            let key = (WIDTH - RIGHT + 16.0, TOP + 10.0 + 22.0 * number as f64);
            drawing.line(&class, key, (key.0 + 18.0, key.1));
            drawing.text("name", (key.0 + 24.0, key.1 + 4.0), Anchor::Start, &line.name);
        }
        drawing.finish()
    }

    fn grid(&self, drawing: &mut Drawing) {
        for tick in &self.y.ticks {
            let y = self.y(*tick);
            drawing.line("grid", (LEFT, y), (WIDTH - RIGHT, y));
            drawing.text("tick", (LEFT - 8.0, y + 4.0), Anchor::End, &tick.to_string());
        }
        for (place, name) in &self.x.ticks {
            let x = self.x(*place);
            drawing.line("grid", (x, TOP), (x, HEIGHT - BOTTOM));
            drawing.text("tick", (x, HEIGHT - BOTTOM + 20.0), Anchor::Middle, name);
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }
}
