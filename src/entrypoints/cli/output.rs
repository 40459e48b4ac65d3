//! Tables for people, JSON for programs.

use std::io::Write;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;

use super::CommandFailed;
pub use crate::entrypoints::printable::printable;

/// A line under the heads and none between the rows: long lists stay short.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('═').junction('═'));

/// A table with these column heads.
pub fn table<'a>(heads: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_header(heads);
    table
}

/// Prints a value as indented JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), CommandFailed> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::other)?;
    print_line(&text)
}

/// Prints a line; unlike `println!`, a reader that has gone away is an error and no panic.
pub fn print_line(line: &str) -> Result<(), CommandFailed> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}
