//! Imports point one way. Read from the tokens of every file, so that no spelling of a path hides one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::docs::{files, root};

/// What the files of a top-level module may name, beside itself.
const LAYERS: [(&str, &[&str]); 10] = [
    ("kill_points", &[]),
    ("domain", &[]),
    ("messages", &["domain"]),
    ("config", &[]),
    ("telemetry", &["config"]),
    ("metrics", &["domain", "messages"]),
    ("service_layer", &["domain", "messages", "metrics", "telemetry", "kill_points"]),
    ("adapters", &["domain", "messages", "service_layer", "metrics", "kill_points"]),
    ("bootstrap", &["domain", "messages", "service_layer", "metrics", "adapters", "config"]),
    (
        "entrypoints",
        &[
            "domain",
            "messages",
            "service_layer",
            "metrics",
            "telemetry",
            "adapters",
            "bootstrap",
            "config",
            "kill_points",
        ],
    ),
];

/// Where a crate may be named: nowhere else.
const CRATES: [(&str, &[&str]); 4] = [
    ("sqlx", &["adapters"]),
    ("lapin", &["adapters"]),
    ("axum", &["entrypoints", "telemetry"]),
    ("clap", &["entrypoints", "config"]),
];

#[test]
fn the_layers_import_one_way() {
    let mut wrong = Vec::new();
    for (file, path) in paths() {
        let layer = file.split(['/', '.']).next().unwrap_or_default();
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else { continue };
        let is_wrong = match path[0].as_str() {
            "crate" => path[1] != layer && !allowed.contains(&path[1].as_str()),
            first => CRATES.iter().any(|(name, layers)| *name == first && !layers.contains(&layer)),
        };
        if is_wrong {
            wrong.push(format!("{file}: {}", path.join("::")));
        }
    }

    assert!(wrong.is_empty(), "imports against the arrows:\n{}", wrong.join("\n"));
}

/// What handles messages depends on no server and on no settings; only the command line names adapters.
#[test]
fn entrypoints_know_no_more_than_they_need() {
    let all = ["adapters", "bootstrap", "config"];
    let rules: [(&str, &[&str]); 4] = [
        ("entrypoints/amqp/", &all),
        ("entrypoints/lane/", &all),
        ("entrypoints/command_client.rs", &all),
        ("entrypoints/http/", &["adapters"]),
    ];
    for (place, forbidden) in rules {
        let paths = paths().into_iter().filter(|(file, _)| file.starts_with(place));
        let paths: Vec<_> = paths.collect();
        assert!(!paths.is_empty(), "{place} is gone");
        let wrong: Vec<_> = paths
            .iter()
            .filter(|(_, path)| path[0] == "crate" && forbidden.contains(&path[1].as_str()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

#[test]
fn every_top_level_module_is_a_layer() {
    let layers: BTreeSet<_> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let modules = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
    let modules: BTreeSet<_> = modules.filter(|name| name != "lib" && name != "main").collect();

    assert_eq!(modules, layers);
}

#[test]
fn no_spelling_hides_a_path() {
    for code in [
        "use crate::adapters::x;",
        "use crate::{domain, adapters::{x, y}};",
        "use super::adapters;",
        "use super::super::adapters::x;",
        "fn f() { g(&crate::adapters::X) }",
        "html! { (crate::adapters::x()) }",
        "mod tests { use super::super::super::adapters::x; }",
    ] {
        let module =
            if code.contains("super::super") { vec!["domain", "order"] } else { vec!["domain"] };
        let module: Vec<String> = module.into_iter().map(str::to_owned).collect();
        let mut found = Vec::new();
        collect(code.parse().unwrap(), &module, &mut found);
        let named =
            found.iter().any(|path| path.starts_with(&["crate".to_owned(), "adapters".to_owned()]));
        assert!(named, "{code}: {found:?}");
    }
}

/// Each path that a file names, with the file below `src`. Paths of this crate begin with `crate`.
fn paths() -> Vec<(String, Vec<String>)> {
    let source = root().join("src");
    let mut paths = Vec::new();
    for file in files("src", "rs") {
        let below = file.strip_prefix(&source).unwrap();
        let tokens = fs::read_to_string(&file).unwrap().parse().unwrap();
        let mut found = Vec::new();
        collect(tokens, &module_of(below), &mut found);
        let name = below.to_string_lossy().into_owned();
        paths.extend(found.into_iter().map(|path| (name.clone(), path)));
    }
    assert!(paths.len() > 5_000, "only {} paths were read", paths.len());
    paths
}

fn module_of(file: &Path) -> Vec<String> {
    let parts = file.with_extension("");
    let parts = parts.iter().map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| !["mod", "lib", "main"].contains(&part.as_str())).collect()
}

/// Reads all paths in a stream: names with `::` between them, and groups of them at the end.
fn collect(tokens: TokenStream, module: &[String], found: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    let mut inner_module = None;
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if colons < 2 {
                    found.extend(resolved(&path, module));
                    inner_module = (path == ["mod"]).then(|| name.to_string());
                    path.clear();
                }
                path.push(name.to_string());
                colons = 0;
            }
            TokenTree::Punct(point) if point.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                let mut nested = Vec::new();
                let inside = inner_module.take().filter(|_| group.delimiter() == Delimiter::Brace);
                let module = [module, inside.as_slice()].concat();
                if colons == 2 && group.delimiter() == Delimiter::Brace {
                    // The group of an import: its paths go on where this one ends.
                    collect_relative(group.stream(), &path, &module, &mut nested);
                } else {
                    found.extend(resolved(&path, &module));
                    collect(group.stream(), &module, &mut nested);
                }
                found.append(&mut nested);
                path.clear();
                colons = 0;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                found.extend(resolved(&path, module));
                path.clear();
                colons = 0;
            }
        }
    }
    found.extend(resolved(&path, module));
}

/// Reads the paths of an import's group.
fn collect_relative(
    tokens: TokenStream,
    start: &[String],
    module: &[String],
    found: &mut Vec<Vec<String>>,
) {
    let mut path = start.to_vec();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => path.push(name.to_string()),
            TokenTree::Punct(point) if point.as_char() == ',' => {
                found.extend(resolved(&path, module));
                path = start.to_vec();
            }
            TokenTree::Group(group) => {
                collect_relative(group.stream(), &path, module, found);
                path = start.to_vec();
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found.extend(resolved(&path, module));
}

/// The path from the root of the crate, where it begins with `crate`, `self` or `super`. A name alone is
/// none.
fn resolved(path: &[String], module: &[String]) -> Option<Vec<String>> {
    if path.len() < 2 {
        return None;
    }
    let supers = path.iter().take_while(|part| *part == "super").count();
    let root = || "crate".to_owned();
    match path[0].as_str() {
        "self" => Some([&[root()], module, &path[1..]].concat()),
        "super" => {
            let parent = &module[..module.len().saturating_sub(supers)];
            Some([&[root()], parent, &path[supers..]].concat())
        }
        _ => Some(path.to_vec()),
    }
}
