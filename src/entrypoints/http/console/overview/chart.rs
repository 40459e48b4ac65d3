//! Lines over the last five minutes, drawn as SVG. What they show stands in a table below as well.

#![expect(clippy::float_arithmetic, reason = "a picture has coordinates")]

use std::fmt::Write;
use std::time::Duration;

use maud::{Markup, html};

use super::figures::{Point, Series};
use super::numbers::UNKNOWN;

/// The time that a chart spans.
const SPAN: Duration = Duration::from_mins(5);

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

/// One of a chart's lines.
pub struct Line {
    pub name: &'static str,
    pub series: Series,
}

/// A chart with its name, the unit's way to be written, and lines in this order.
pub fn chart(id: &str, title: &str, shown: fn(f64) -> String, lines: &[Line]) -> Markup {
    let most = lines.iter().filter_map(|line| line.series.most).reduce(f64::max).unwrap_or(0.0);
    let top = round_top(most);
    let described = format!("{title} over the last five minutes; the table below has the numbers");
    html! {
        section .panel.chart aria-labelledby=(id) {
            h2 id=(id) { (title) }
            div .plot {
                span .top-value { (shown(top)) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                    aria-label=(described) {
                    @for share in [0.0, 0.5, 1.0] {
                        line .grid x1="0" x2=(WIDTH) y1=(HEIGHT * share) y2=(HEIGHT * share) {}
                    }
                    @for (place, line) in lines.iter().enumerate() {
                        path class={ "line line-" (place + 1) } d=(path(&line.series.points, top)) {}
                    }
                }
                div .times { span { "5 min ago" } span { "now" } }
            }
            (legend(shown, lines))
        }
    }
}

/// Which line is which, and its numbers.
fn legend(shown: fn(f64) -> String, lines: &[Line]) -> Markup {
    let number = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), shown);
    html! {
        table .legend {
            thead {
                tr { th scope="col" { span .unseen { "Line" } } th .number scope="col" { "now" } th .number scope="col" { "most" } }
            }
            tbody {
                @for (place, Line { name, series }) in lines.iter().enumerate() {
                    tr {
                        th scope="row" { (swatch(place + 1)) (name) }
                        td .number { (number(series.now)) }
                        td .number { (number(series.most)) }
                    }
                }
            }
        }
    }
}

fn swatch(place: usize) -> Markup {
    html! {
        svg .swatch viewBox="0 0 24 8" aria-hidden="true" {
            path class={ "line line-" (place) } d="M0 4H24" {}
        }
    }
}

/// The path of a line; it has gaps where there is no value.
fn path(points: &[Point], top: f64) -> String {
    let mut path = String::new();
    let mut draws = false;
    for Point { ago, value } in points.iter().filter(|point| point.ago <= SPAN) {
        let Some(value) = value else {
            draws = false;
            continue;
        };
        let x = WIDTH * (1.0 - ago.as_secs_f64() / SPAN.as_secs_f64());
        let y = HEIGHT * (1.0 - value / top);
        let step = if draws { 'L' } else { 'M' };
        // A single point is seen as a dot, by the round caps of a line without length.
        let _ = write!(path, "{step}{x:.1} {y:.1}");
        if !draws {
            let _ = write!(path, "h0");
        }
        draws = true;
    }
    path
}

/// The next of 1, 2, 5, 10, 20, … (and of their fractions) that is not below.
fn round_top(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= most).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(u64, Option<f64>)]) -> Vec<Point> {
        let point = |(ago, value): &(u64, Option<f64>)| Point {
            ago: Duration::from_secs(*ago),
            value: *value,
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn the_newest_stands_at_the_right_and_the_most_at_the_top() {
        let line = points(&[(300, Some(0.0)), (150, Some(5.0)), (0, Some(10.0))]);

        assert_eq!(path(&line, 10.0), "M0.0 120.0h0L300.0 60.0L600.0 0.0");
    }

    #[test]
    fn a_line_has_gaps_where_nothing_was_measured() {
        let line = points(&[(300, Some(1.0)), (150, None), (0, Some(1.0))]);

        assert_eq!(path(&line, 1.0), "M0.0 0.0h0M600.0 0.0h0");
    }

    #[test]
    fn what_is_older_is_not_drawn() {
        assert_eq!(path(&points(&[(301, Some(1.0))]), 1.0), "");
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        let tops = [0.0, 0.3, 1.0, 1.1, 7.0, 230.0, 15_270.0].map(round_top);
        let shown = tops.map(|top| format!("{top:.1}"));
        assert_eq!(shown, ["1.0", "0.5", "1.0", "2.0", "10.0", "500.0", "20000.0"]);
    }
}
