//! The dashboard, the alerts and the documentation use metrics that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use order_worker::metrics::{Definition, Kind, catalog};
use serde_json::Value;

use super::catalog::eventful;
use super::scrape;

/// Labels that Prometheus itself adds.
const ADDED: [&str; 3] = ["job", "instance", "le"];

/// A PromQL expression, and the text that shows its result.
struct Query {
    expression: String,
    shown: String,
}

#[test]
fn every_metric_and_label_in_dashboard_and_alerts_exists() {
    for Query { expression, shown } in queries() {
        let asked = asked(&expression);
        let labels: BTreeSet<&str> =
            asked.iter().flat_map(|metric| metric.labels).copied().chain(ADDED).collect();
        let named = [grouped_by(&expression), shown_in(&shown)].concat();
        let unknown: Vec<_> = named.iter().filter(|it| !labels.contains(it.as_str())).collect();

        assert!(!asked.is_empty(), "no metric in {expression}");
        assert!(unknown.is_empty(), "{unknown:?} are no labels of {expression}");
    }
}

#[test]
fn every_label_value_in_dashboard_and_alerts_exists() {
    let seen = scrape(&eventful());
    let mut found = 0;
    for Query { expression, .. } in queries() {
        for (metric, label, value) in selected(&expression) {
            let mut own = seen.samples.iter().filter(|(name, _)| seen.metric_of(name) == metric);
            let has = own.any(|(_, samples)| samples.keys().any(|it| it[label] == value));
            assert!(has, "{metric} has no {label}={value}: {expression}");
            found += 1;
        }
    }
    assert!(found >= 5, "the check is blind");
}

#[test]
fn every_metric_is_documented() {
    let page = read("docs/monitoring.md");
    let (_, rest) = page.split_once("<!-- metrics -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- /metrics -->").unwrap();

    let head = "| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n";
    let rows = catalog::ALL.iter().map(|metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let Definition { name, kind, help, .. } = metric;
        format!("| `{name}` | {} | {} | {help} |\n", kind.as_str(), labels.join(", "))
    });
    let table: String = [head.to_owned()].into_iter().chain(rows).collect();

    assert!(shown == table, "put this between the markers of docs/monitoring.md:\n\n{table}");
}

#[test]
fn every_alert_is_documented() {
    let page = read("docs/monitoring.md");
    let alerts = read("monitoring/alerts.yml");
    let names: Vec<&str> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();

    assert!(names.len() >= 10, "the check is blind");
    for name in names {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not in docs/monitoring.md");
    }
}

fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    collect(
        &serde_json::from_str(&read("monitoring/grafana-dashboard.json")).unwrap(),
        &mut queries,
    );
    let in_dashboard = queries.len();
    // Each rule starts with its name, and reaches to the next one.
    for rule in read("monitoring/alerts.yml").split("- alert: ").skip(1) {
        let (expression, shown) = rule.split_once("annotations:").unwrap();
        let (_, expression) = expression.split_once("expr:").unwrap();
        let (expression, _) = expression.split_once("labels:").unwrap();
        queries.push(Query { expression: expression.to_owned(), shown: shown.to_owned() });
    }
    assert!(in_dashboard >= 30 && queries.len() >= in_dashboard + 10, "the check is blind");
    queries
}

/// Everything below a node that has an `expr`.
fn collect(node: &Value, queries: &mut Vec<Query>) {
    if let Some(expression) = node["expr"].as_str() {
        let shown = ["legendFormat", "titleFormat"].map(|key| node[key].as_str().unwrap_or(""));
        queries.push(Query { expression: expression.to_owned(), shown: shown.concat() });
    }
    match node {
        Value::Array(nodes) => nodes.iter().for_each(|node| collect(node, queries)),
        Value::Object(nodes) => nodes.values().for_each(|node| collect(node, queries)),
        _ => {}
    }
}

/// The metrics of an expression.
fn asked(expression: &str) -> Vec<Definition> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|it| it.starts_with("order_worker_") || it.starts_with("process_"));
    ours.map(metric_of_sample).collect()
}

fn metric_of_sample(sample: &str) -> Definition {
    let is_meant = |metric: &Definition| match metric.kind {
        Kind::Histogram(_) => sample
            .strip_prefix(metric.name)
            .is_some_and(|part| ["_bucket", "_sum", "_count"].contains(&part)),
        Kind::Counter | Kind::Gauge => sample == metric.name,
    };
    catalog::ALL.into_iter().find(is_meant).unwrap_or_else(|| panic!("there is no {sample}"))
}

/// The labels in `by (…)`, `on (…)`, and before the operators of selectors.
fn grouped_by(expression: &str) -> Vec<String> {
    let lists = [" by (", " on ("].iter().flat_map(|word| expression.split(word).skip(1));
    let lists = lists.map(|rest| rest.split(')').next().unwrap());
    let grouped = lists.flat_map(|list| list.split(',')).map(str::trim);
    let matched = selectors(expression).flat_map(matchers).map(|(label, _)| label);
    grouped.chain(matched).map(str::to_owned).collect()
}

/// The labels in `{{label}}` of a legend, and in `{{ $labels.label }}` of an alert.
fn shown_in(text: &str) -> Vec<String> {
    let inserted = text.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap().trim());
    let labels = inserted.filter(|it| !it.starts_with("$value"));
    labels.map(|it| it.strip_prefix("$labels.").unwrap_or(it).to_owned()).collect()
}

/// Metric, label and value of each exact matcher, `metric{label="value"}`.
fn selected(expression: &str) -> Vec<(&'static str, &str, &str)> {
    let before = expression
        .split('{')
        .map(|text| text.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap());
    let mut found = Vec::new();
    for (sample, selector) in before.zip(selectors(expression)) {
        let exact = matchers(selector).filter_map(|(label, rest)| Some((label, quoted(rest)?)));
        found.extend(exact.map(|(label, value)| (metric_of_sample(sample).name, label, value)));
    }
    found
}

/// The value of `="value"` or `!="value"`; none for a pattern.
fn quoted(matcher: &str) -> Option<&str> {
    let value = matcher.strip_prefix("=\"").or_else(|| matcher.strip_prefix("!=\""))?;
    value.strip_suffix('"')
}

/// The contents of braces.
fn selectors(expression: &str) -> impl Iterator<Item = &str> {
    expression.split('{').skip(1).map(|rest| rest.split('}').next().unwrap())
}

/// Labels, each with its operator and value.
fn matchers(selector: &str) -> impl Iterator<Item = (&str, &str)> {
    selector.split(',').map(str::trim).map(|it| it.split_at(it.find(['=', '!']).unwrap()))
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
