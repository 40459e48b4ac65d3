//! Writes the figures: the JSON file, the tables in the page next to it, the plots.

use std::fs;
use std::path::Path;

use crate::results::Results;
use crate::{Failure, plots, progress, tables};

const BEGIN: &str = "<!-- results -->\n";
const END: &str = "<!-- /results -->";

/// For `performance.json`, the tables go into `performance.md`, the plots into `performance/`.
pub fn write(results: &Results, out: &Path) -> Result<(), Failure> {
    let write = |path: &Path, text: &str| {
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let plots_folder = out.with_extension("");
    fs::create_dir_all(&plots_folder)
        .map_err(|error| format!("{}: {error}", plots_folder.display()))?;
    write(out, &(serde_json::to_string_pretty(results)? + "\n"))?;
    for (file, plot) in plots::all(results) {
        write(&plots_folder.join(file), &plot)?;
    }
    let page = out.with_extension("md");
    match fs::read_to_string(&page).ok().and_then(|text| with_tables(&text, results)) {
        Some(text) => write(&page, &text)?,
        None => progress::log(&format!("{}: no page with <!-- results -->", page.display())),
    }
    progress::log(&format!("the figures are in {}", out.display()));
    Ok(())
}

/// The page with these results between its markers.
fn with_tables(page: &str, results: &Results) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", tables::page(results)))
}
