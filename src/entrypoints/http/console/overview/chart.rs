//! Line charts over the last five minutes, drawn as SVG, with their numbers in a table below.

#![expect(clippy::float_arithmetic, reason = "SVG coordinates")]

use std::fmt::Write;
use std::time::Duration;

use maud::{Markup, html};

use super::numbers::UNKNOWN;
use super::recent_metrics::{Point, Series};

/// The time range of a chart.
const SPAN: Duration = Duration::from_mins(5);

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

pub struct Line {
    pub name: &'static str,
    pub series: Series,
}

/// A chart; `format` formats values with their unit.
pub fn chart(id: &str, title: &str, format: fn(f64) -> String, lines: &[Line]) -> Markup {
    let max = lines.iter().filter_map(|line| line.series.max).reduce(f64::max).unwrap_or(0.0);
    let top = round_up(max);
    let description = format!("{title}, last 5 minutes; numbers in the table below");
    html! {
        section .panel.chart aria-labelledby=(id) {
            h2 id=(id) { (title) }
            div .plot {
                span .top-value { (format(top)) }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                    aria-label=(description) {
                    @for share in [0.0, 0.5, 1.0] {
                        line .grid x1="0" x2=(WIDTH) y1=(HEIGHT * share) y2=(HEIGHT * share) {}
                    }
                    @for (index, line) in lines.iter().enumerate() {
                        path class={ "line line-" (index + 1) } d=(path(&line.series.points, top)) {}
                    }
                }
                div .times { span { "5 min ago" } span { "now" } }
            }
            (legend(format, lines))
        }
    }
}

fn legend(format: fn(f64) -> String, lines: &[Line]) -> Markup {
    let number = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), format);
    html! {
        table .legend {
            thead {
                tr { th scope="col" { span .visually-hidden { "Series" } } th .number scope="col" { "now" } th .number scope="col" { "max" } }
            }
            tbody {
                @for (index, Line { name, series }) in lines.iter().enumerate() {
                    tr {
                        th scope="row" { (swatch(index + 1)) (name) }
                        td .number { (number(series.now)) }
                        td .number { (number(series.max)) }
                    }
                }
            }
        }
    }
}

fn swatch(number: usize) -> Markup {
    html! {
        svg .swatch viewBox="0 0 24 8" aria-hidden="true" {
            path class={ "line line-" (number) } d="M0 4H24" {}
        }
    }
}

/// The SVG path of a line, with gaps where there is no value.
fn path(points: &[Point], top: f64) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for Point { ago, value } in points.iter().filter(|point| point.ago <= SPAN) {
        let Some(value) = value else {
            is_drawing = false;
            continue;
        };
        let x = WIDTH * (1.0 - ago.as_secs_f64() / SPAN.as_secs_f64());
        let y = HEIGHT * (1.0 - value / top);
        let step = if is_drawing { 'L' } else { 'M' };
        // A line without length and with round caps makes a single point visible as a dot.
        let _ = write!(path, "{step}{x:.1} {y:.1}");
        if !is_drawing {
            let _ = write!(path, "h0");
        }
        is_drawing = true;
    }
    path
}

/// Rounds up to the next of …, 0.5, 1, 2, 5, 10, 20, …
fn round_up(max: f64) -> f64 {
    if max <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(max.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= max).unwrap_or(max)
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
    fn the_latest_value_is_on_the_right_and_the_maximum_at_the_top() {
        let line = points(&[(300, Some(0.0)), (150, Some(5.0)), (0, Some(10.0))]);

        assert_eq!(path(&line, 10.0), "M0.0 120.0h0L300.0 60.0L600.0 0.0");
    }

    #[test]
    fn a_line_has_gaps_where_values_are_missing() {
        let line = points(&[(300, Some(1.0)), (150, None), (0, Some(1.0))]);

        assert_eq!(path(&line, 1.0), "M0.0 0.0h0M600.0 0.0h0");
    }

    #[test]
    fn values_older_than_the_range_are_not_drawn() {
        assert_eq!(path(&points(&[(301, Some(1.0))]), 1.0), "");
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        let tops = [0.0, 0.3, 1.0, 1.1, 7.0, 230.0, 15_270.0].map(round_up);
        let shown = tops.map(|top| format!("{top:.1}"));
        assert_eq!(shown, ["1.0", "0.5", "1.0", "2.0", "10.0", "500.0", "20000.0"]);
    }
}
