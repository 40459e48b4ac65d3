//! Moments.

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

/// A moment to the second, and to the microsecond for whoever points at it.
pub fn timestamp(at: DateTime<Utc>) -> Markup {
    let exact = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    html! { time datetime=(exact) title=(exact) { (at.format("%Y-%m-%d %H:%M:%S")) } }
}
