//! Tables for people, JSON for programs.

use std::io::Write;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;

use super::CommandFailed;
pub use crate::entrypoints::printable::printable;

/// A line below the header and none between rows, which keeps long lists short.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('═').junction('═'));

/// A table with these column headers.
pub fn table<'a>(headers: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headers);
    table
}

/// Prints a value as indented JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), CommandFailed> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::other)?;
    print_line(&text)
}

/// Prints a line. Unlike `println!`, it does not panic when the reader has closed the pipe.
pub fn print_line(line: &str) -> Result<(), CommandFailed> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}
