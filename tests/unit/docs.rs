//! The documentation matches the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, CommandFactory};
use order_worker::config::{DEFAULT_DATABASE_URL, DEFAULT_HTTP_ADDR};
use order_worker::entrypoints::cli::Program;

#[test]
fn the_settings_in_the_readme_are_those_of_the_program() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("<!-- settings -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- /settings -->").unwrap();

    let table = settings_table();

    assert!(shown == table, "put this between the markers of README.md:\n\n{table}");
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = page.parent().unwrap();
        for link in links(&fs::read_to_string(&page).unwrap()) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !folder.join(path).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_anchor_leads_to_a_heading() {
    let mut broken = Vec::new();
    for page in pages() {
        for link in links(&fs::read_to_string(&page).unwrap()) {
            let Some((path, anchor)) = link.split_once('#') else { continue };
            let target =
                if path.is_empty() { page.clone() } else { page.with_file_name("").join(path) };
            if !anchors(&fs::read_to_string(&target).unwrap_or_default()).contains(anchor) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken anchors:\n{}", broken.join("\n"));
}

#[test]
fn every_file_that_contributors_are_sent_to_exists() {
    let page = read("CONTRIBUTING.md");
    let prose: String = page.split("```").step_by(2).collect();
    let folders = ["src/", "tests/", "benches/", "fuzz/", "migrations/", "schemas/", "docs/"];
    let code = prose.split('`').skip(1).step_by(2);
    let paths: Vec<&str> =
        code.filter(|it| folders.iter().any(|folder| it.starts_with(folder))).collect();
    let missing: Vec<_> = paths.iter().filter(|path| !root().join(path).exists()).collect();

    assert!(missing.is_empty(), "CONTRIBUTING.md names files that are gone: {missing:?}");
    assert!(paths.len() > 40, "the check is blind");
}

#[test]
fn every_guarantee_in_the_readme_has_its_tests() {
    let sources = sources();
    let readme = read("README.md");
    let (_, rest) = readme.split_once("| Guarantee | Tests |").unwrap();
    let (table, _) = rest.split_once("\n\n").unwrap();

    for row in table.lines().skip(2) {
        let tests: Vec<&str> =
            row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            assert!(has_test(&sources, test), "there is no test {test}");
        }
    }
}

#[test]
fn every_fault_has_its_tests_or_a_reason() {
    let page = read("docs/faults.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Fault "));
    assert!(tests_named_in(rows) > 40, "the check is blind");
}

#[test]
fn every_attack_has_its_tests() {
    let page = read("docs/security.md");
    let (_, table) = page.split_once("| Attack | Response | Tests |\n|---|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with("| "));
    assert!(tests_named_in(rows) > 20, "the check is blind");
}

/// The number of tests named in the last column of these rows. Each row must name one, or a reason.
fn tests_named_in<'a>(rows: impl Iterator<Item = &'a str>) -> usize {
    let sources = sources();
    let mut tests_named = 0;
    for row in rows {
        let shown_by = row.rsplit('|').nth(1).unwrap();
        let tests: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(
            !tests.is_empty() || row.contains("Not tested: "),
            "neither test nor reason: {row}"
        );
        for test in &tests {
            assert!(has_test(&sources, test), "there is no test {test}");
        }
        tests_named += tests.len();
    }
    tests_named
}

/// The source of all tests, to look up names.
fn sources() -> String {
    let folders = ["tests", "src"].iter();
    folders.flat_map(|folder| files(folder, "rs")).map(|file| text_of(&file)).collect()
}

fn has_test(sources: &str, name: &str) -> bool {
    sources.contains(&format!("fn {name}(")) || sources.contains(&format!("fn {name}<"))
}

/// The rows in the order of `--help`.
fn settings_table() -> String {
    let program = Program::command();
    let settings = program.get_arguments();
    let settings = settings.filter(|it| it.get_env().is_some() && !it.is_hide_set());
    let rows = settings.map(|setting| {
        let variable = setting.get_env().unwrap().to_string_lossy();
        let option = setting.get_long().unwrap();
        let (default, meaning) = (default_of(setting, &variable), meaning_of(setting));
        format!("| `{variable}` | `--{option}` | {default} | {meaning} |\n")
    });
    let head = "| Variable | Option | Default | Meaning |\n|---|---|---|---|\n";
    [head.to_owned()].into_iter().chain(rows).collect()
}

fn default_of(setting: &Arg, variable: &str) -> String {
    if variable == "DATABASE_URL" {
        return format!("`{DEFAULT_DATABASE_URL}`");
    }
    if variable == "HTTP_ADDR" {
        return format!("`{DEFAULT_HTTP_ADDR}`");
    }
    match setting.get_default_values() {
        [] => "none".to_owned(),
        values => format!("`{}`", values[0].to_string_lossy()),
    }
}

/// The text of `--help`, with the possible values if there are any.
fn meaning_of(setting: &Arg) -> String {
    let help = setting.get_help().unwrap().to_string();
    let stop = if help.ends_with('…') { "" } else { "." };
    let choices = setting.get_value_parser().possible_values().map(|values| {
        values.map(|value| format!("`{}`", value.get_name())).collect::<Vec<_>>().join(", ")
    });
    match choices {
        Some(choices) => format!("{help}{stop} One of {choices}."),
        None => format!("{help}{stop}"),
    }
}

fn pages() -> Vec<PathBuf> {
    let at_the_root =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "deploy/README.md"];
    let mut pages = files("docs", "md");
    pages.extend(at_the_root.map(|page| root().join(page)));
    pages
}

/// The targets of `[…](target)` within the repository; code is skipped.
fn links(page: &str) -> Vec<String> {
    let prose: String = page.split("```").step_by(2).collect();
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The anchors of a page's headings: lower case, dashes for spaces, no punctuation.
fn anchors(page: &str) -> BTreeSet<String> {
    let prose: String = page.split("```").step_by(2).collect();
    let headings = prose.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    headings.map(anchor).collect()
}

/// All files below a folder with this extension, sorted.
pub fn files(folder: impl AsRef<Path>, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(path: &str) -> String {
    text_of(&root().join(path))
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
