//! The result of a check.

use serde::Serialize;

/// What was checked, what was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked, such as `queue orders.commands`.
    pub check: String,
    pub result: CheckResult,
    /// What was found.
    pub detail: String,
    /// What it means for orders and events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The command that fixes it, or shows more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    Ok,
    /// It needs attention, but the worker works.
    Warning,
    /// The worker does not start, or commands or events wait.
    Error,
    /// The check was not possible.
    Unknown,
}

/// All findings, in the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub errors: usize,
    pub warnings: usize,
    pub unknown: usize,
    pub findings: Vec<Finding>,
}

impl CheckResult {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

impl Finding {
    pub fn ok(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(CheckResult::Ok, check, detail)
    }

    pub fn warning(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(CheckResult::Warning, check, detail)
    }

    pub fn error(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(CheckResult::Error, check, detail)
    }

    pub fn unknown(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(CheckResult::Unknown, check, detail)
    }

    #[must_use]
    pub fn meaning(self, meaning: impl Into<String>) -> Self {
        Self { meaning: Some(meaning.into()), ..self }
    }

    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    fn new(result: CheckResult, check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check: check.into(), result, detail: detail.into(), meaning: None, fix: None }
    }
}

impl Report {
    pub fn of(findings: Vec<Finding>) -> Self {
        let count = |result| findings.iter().filter(|finding| finding.result == result).count();
        Self {
            errors: count(CheckResult::Error),
            warnings: count(CheckResult::Warning),
            unknown: count(CheckResult::Unknown),
            findings,
        }
    }
}
