//! The highest throughput that this machine allows.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures")]

use crate::results::Stage;
use crate::statistics::rounded;

/// Messages per second if every core did nothing but the stages: cores / (c1 + c2 + c3), where c is the
/// CPU seconds per message of a stage, in all processes.
pub fn of(stages: &[Stage], cores: usize) -> Option<f64> {
    let seconds: Vec<f64> = stages
        .iter()
        .filter(|stage| stage.limits)
        .map(|stage| stage.cpu.map(|cpu| cpu.sum() / 1e6))
        .collect::<Option<_>>()?;
    (!seconds.is_empty()).then(|| rounded(cores as f64 / seconds.iter().sum::<f64>(), 0))
}
