//! An SVG drawing for light and dark color schemes.

use std::fmt::Write;

/// Colours by role. The drawing has its own background, so each set is always on the right one.
const STYLE: &str = "
    .page { fill: #ffffff; }
    text { fill: #334155; }
    .title { fill: #0f172a; font-weight: bold; }
    .grid { stroke: #e2e8f0; }
    .limit { stroke: #b91c1c; stroke-dasharray: 6 4; stroke-width: 1.5; }
    .limit-name { fill: #b91c1c; }
    .bar { fill: #3b82f6; }
    .range { stroke: #0f172a; }
    .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4; }
    .line { fill: none; stroke-width: 2; }
    .of-0 { stroke: #1d4ed8; } .of-1 { stroke: #15803d; } .of-2 { stroke: #c2410c; } .of-3 { stroke: #7e22ce; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; }
      text { fill: #cbd5e1; }
      .title { fill: #f1f5f9; }
      .grid { stroke: #30363d; }
      .limit { stroke: #f87171; }
      .limit-name { fill: #f87171; }
      .range { stroke: #f1f5f9; }
      .value { stroke: #0d1117; }
      .of-0 { stroke: #60a5fa; } .of-1 { stroke: #4ade80; } .of-2 { stroke: #fb923c; } .of-3 { stroke: #c084fc; }
    }
  ";

#[derive(Debug)]
pub struct Drawing {
    elements: String,
    title: &'static str,
    width: f64,
    height: f64,
}

/// Alignment of a text to its point.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Drawing {
    pub fn new(title: &'static str, width: f64, height: f64) -> Self {
        let mut drawing = Self { elements: String::new(), title, width, height };
        drawing.text("title", (20.0, 28.0), Anchor::Start, title);
        drawing
    }

    pub fn rectangle(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        self.element(&format!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
        ));
    }

    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.element(&format!(
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        ));
    }

    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.element(&format!(r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")));
    }

    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.element(&format!(
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    fn element(&mut self, element: &str) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.elements, "  {element}");
    }

    pub fn finish(self) -> String {
        let Self { elements, title, width, height } = self;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img" aria-labelledby="title" font-family="Helvetica, Arial, sans-serif" font-size="13">
  <title id="title">{title}</title>
  <style>{STYLE}</style>
  <rect class="page" width="{width:.0}" height="{height:.0}" rx="8"/>
{elements}</svg>
"#
        )
    }
}
