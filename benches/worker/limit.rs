//! What the machine can do at most.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "figures")]

use crate::results::Leg;
use crate::statistics::rounded;

/// Messages a second if every core did nothing but the legs: cores / (c1 + c2 + c3), with c the CPU
/// seconds a message of a leg, of all processes.
pub fn of(legs: &[Leg], cores: usize) -> Option<f64> {
    let seconds: Vec<f64> = legs
        .iter()
        .filter(|leg| leg.limits)
        .map(|leg| leg.cpu.map(|cpu| cpu.sum() / 1e6))
        .collect::<Option<_>>()?;
    (!seconds.is_empty()).then(|| rounded(cores as f64 / seconds.iter().sum::<f64>(), 0))
}
