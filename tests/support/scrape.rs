//! A strict parser of Prometheus's text format: it panics at anything that Prometheus would reject.
//!
//! The format: <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet};

/// Label names and values.
pub type Labels = BTreeMap<String, String>;

/// All samples of one scrape.
#[derive(Debug, Default)]
pub struct Scrape {
    /// By the name of the metric.
    pub kinds: BTreeMap<String, String>,
    /// By the name of the sample (with `_bucket`, `_sum` or `_count` for a histogram).
    pub samples: BTreeMap<String, BTreeMap<Labels, f64>>,
}

impl Scrape {
    /// # Panics
    /// When a line is invalid.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no line feed");
        let mut scrape = Self::default();
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').unwrap();
                assert!(!text.is_empty() && helped.insert(name), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(scrape.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                scrape.add(line);
            }
        }
        scrape.assert_histograms_add_up();
        scrape
    }

    fn add(&mut self, line: &str) {
        let (name, labels, value) = sample(line);
        assert!(self.kinds.contains_key(self.metric_of(&name)), "no type before {line}");
        let of_name = self.samples.entry(name).or_default();
        assert!(of_name.insert(labels, value).is_none(), "duplicate sample: {line}");
    }

    /// The metric that a sample belongs to.
    pub fn metric_of<'a>(&self, sample: &'a str) -> &'a str {
        let parts = ["_bucket", "_sum", "_count"].iter();
        let metric = parts.filter_map(|part| sample.strip_suffix(part));
        let mut histogram =
            metric.filter(|name| self.kinds.get(*name).is_some_and(|kind| kind == "histogram"));
        histogram.next().unwrap_or(sample)
    }

    /// The value of the sample with exactly these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.samples.get(name)?.get(&labels.collect::<Labels>()).copied()
    }

    /// The sum of all samples of a name that have at least these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |all: &Labels| labels.iter().all(|(name, value)| all[*name] == *value);
        let samples = self.samples.get(name).into_iter().flatten();
        samples.filter(|(labels, _)| has(labels)).map(|(_, value)| value).sum()
    }

    /// The label names of a metric's samples, without `le`.
    pub fn labels_of(&self, metric: &str) -> BTreeSet<Vec<&str>> {
        let own = self.samples.iter().filter(|(name, _)| self.metric_of(name) == metric);
        let labels = own.flat_map(|(_, samples)| samples.keys());
        labels.map(|it| it.keys().map(String::as_str).filter(|it| *it != "le").collect()).collect()
    }

    fn assert_histograms_add_up(&self) {
        let histograms = self.kinds.iter().filter(|(_, kind)| *kind == "histogram");
        for (name, _) in histograms {
            for (labels, count) in &self.samples[&format!("{name}_count")] {
                let buckets: Vec<_> = self.buckets_of(name, labels);
                assert!(buckets.is_sorted_by(|one, next| one.0 < next.0), "{name} {buckets:?}");
                assert!(buckets.is_sorted_by(|one, next| one.1 <= next.1), "{name} {buckets:?}");
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
                assert!(self.samples[&format!("{name}_sum")].contains_key(labels), "{name}");
            }
        }
    }

    /// Upper bounds and counts, in the order of the bounds.
    fn buckets_of(&self, histogram: &str, labels: &Labels) -> Vec<(f64, f64)> {
        let samples = self.samples[&format!("{histogram}_bucket")].iter();
        let mut buckets: Vec<(f64, f64)> = samples
            .filter_map(|(all, count)| {
                let mut others = all.clone();
                let bound = others.remove("le").unwrap();
                (others == *labels).then(|| (number(&bound), *count))
            })
            .collect();
        buckets.sort_by(|one, next| one.0.total_cmp(&next.0));
        buckets
    }
}

/// `name{label="value",…} 1`
fn sample(line: &str) -> (String, Labels, f64) {
    let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
    assert!(is_name(name), "{line}");
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest),
        None => (Labels::new(), rest),
    };
    (name.to_owned(), labels, number(value.strip_prefix(' ').unwrap()))
}

/// The labels after an opening brace, and the text after the closing one.
fn labels(mut text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        let (name, rest) = text.split_once("=\"").unwrap();
        assert!(is_name(name) && !name.contains(':'), "{text}");
        let (value, rest) = quoted(rest);
        assert!(labels.insert(name.to_owned(), value).is_none(), "duplicate label {name}");
        match rest.strip_prefix(',') {
            Some(rest) => text = rest,
            None => return (labels, rest.strip_prefix('}').unwrap()),
        }
    }
}

/// A value up to its closing quote, and the rest.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match letters.next().unwrap().1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                other => panic!("\\{other} is not an escape"),
            }),
            letter => value.push(letter),
        }
    }
    panic!("no closing quote: {text}");
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty()
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => text.parse().unwrap_or_else(|_| panic!("{text} is not a number")),
    }
}
