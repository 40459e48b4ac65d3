//! The figures in docs/performance.md and its plots match docs/performance.json.

use std::fs;
use std::path::Path;

#[path = "../../benches/worker/plots/mod.rs"]
mod plots;
#[path = "../../benches/worker/results.rs"]
mod results;
#[path = "../../benches/worker/tables.rs"]
mod tables;

#[test]
fn the_page_shows_the_figures_of_performance_json() {
    let page = read("performance.md");
    let (_, rest) = page.split_once("<!-- results -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- /results -->").unwrap();

    let due = tables::page(&figures());

    assert!(shown.trim() == due.trim(), "put this between the markers:\n\n{due}");
}

#[test]
fn the_plots_show_the_figures_of_performance_json() {
    for (file, due) in plots::all(&figures()) {
        let shown = read(&format!("performance/{file}"));
        assert!(shown == due, "docs/performance/{file} shows other figures: run `make bench`");
    }
}

fn figures() -> results::Results {
    serde_json::from_str(&read("performance.json")).unwrap()
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
