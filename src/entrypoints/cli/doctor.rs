//! `doctor`: examines the servers, and says what to do.

use clap::Args;

use super::CommandFailed;
use super::healthcheck::own_worker;
use super::output::{print_json, print_line, printable};
use crate::bootstrap;
use crate::config::Settings;
use crate::service_layer::doctor::{self, CheckResult, Finding, Report};

/// Exits with 1 if there are errors. Warnings and checks that were not possible do not change the
/// exit code.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let doctor = bootstrap::doctor(settings)?;
        let (mut report, worker) = tokio::join!(doctor.examine(), examine_worker(settings));
        report.findings.extend(worker);
        let report = Report::of(report.findings);
        if self.json {
            print_json(&report)?;
        } else {
            report.findings.iter().try_for_each(print)?;
        }
        let Report { errors, warnings, unknown, .. } = report;
        let summary = format!("{errors} errors, {warnings} warnings, {unknown} unknown");
        if errors > 0 {
            return Err(CommandFailed::Message(summary));
        }
        if self.json { Ok(()) } else { print_line(&summary) }
    }
}

/// The readiness of the worker at HTTP_ADDR, if that is set.
async fn examine_worker(settings: &Settings) -> Vec<Finding> {
    let Some(address) = settings.http_addr.as_ref().and_then(own_worker::address) else {
        return Vec::new();
    };
    match own_worker::readiness(&address).await {
        Ok(checks) => doctor::readiness(
            checks.iter().map(|check| (check.name.as_str(), check.problem.as_deref())),
        ),
        Err(reason) => vec![Finding::unknown("worker", reason)],
    }
}

fn print(finding: &Finding) -> Result<(), CommandFailed> {
    let Finding { check, result, detail, meaning, fix } = finding;
    print_line(&printable(&format!("{:<8} {check}: {detail}", result.as_str())))?;
    if *result == CheckResult::Ok {
        return Ok(());
    }
    if let Some(meaning) = meaning {
        print_line(&format!("         {meaning}"))?;
    }
    match fix {
        Some(fix) => print_line(&printable(&format!("         -> {fix}"))),
        None => Ok(()),
    }
}
