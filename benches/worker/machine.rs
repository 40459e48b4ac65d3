//! The machine on which the figures were measured.
#![expect(clippy::float_arithmetic, reason = "units")]

use std::fs;
use std::thread::available_parallelism;

use crate::results::Machine;
use crate::statistics::rounded;

pub fn machine() -> Machine {
    Machine {
        cpu: cpu(),
        cores: cores(),
        memory_gib: memory_gib(),
        system: format!("{} {}", std::env::consts::OS, kernel()).trim().to_owned(),
    }
}

/// Cores that a process may use.
pub fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn memory_gib() -> Option<f64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(rounded(kib / f64::from(1 << 20), 1))
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}
