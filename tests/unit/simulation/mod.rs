//! Runs the pipeline through thousands of fault schedules, each generated from a seed, on a paused clock.
//!
//! A failing schedule prints its trace and the command that runs it again.

mod broker;
mod chance;
mod checks;
mod clients;
mod clock;
mod fault;
mod intents;
mod ledger;
mod mutants;
mod publisher;
mod schedule;
mod source;
mod store;
mod worker;

use std::ops::Range;
use std::panic::catch_unwind;

use chance::Counts;
use checks::Checked;
use fault::Fault;

/// No fault happened.
const NONE: Counts = [0; Fault::ALL.len()];

/// The seed to run, or a range of seeds: `81`, `2000..50000`.
const SEED: &str = "SIMULATION_SEED";

#[test]
fn every_guarantee_holds_in_random_fault_schedules() {
    let (counts, checked) = run(0..2000);

    println!("{checked:?}");
    println!("{:?}", Fault::ALL.map(|fault| (fault, counts[fault as usize])));
    let rare: Vec<Fault> =
        Fault::ALL.into_iter().filter(|fault| counts[*fault as usize] < 100).collect();
    assert!(seeds_from_env().is_some() || rare.is_empty(), "too rare: {rare:?}");
    let is_enough = checked.pairs >= 5000 && checked.orders >= 300;
    assert!(seeds_from_env().is_some() || is_enough, "too little to check: {checked:?}");
}

#[test]
fn without_faults_each_event_is_published_once() {
    for seed in 0..100 {
        let report = schedule::run(seed, false);
        assert_eq!(report.violations, [] as [String; 0], "{}", report.trace.join("\n"));
        assert_eq!(report.counts, NONE);
        assert_eq!(report.copies[0], report.copies[1], "{}", report.trace.join("\n"));
    }
}

#[test]
fn a_seed_determines_its_schedule() {
    for seed in 0..50 {
        assert_eq!(schedule::run(seed, true).trace, schedule::run(seed, true).trace, "{seed}");
    }
}

/// Runs the schedules of these seeds, or of those in the environment; returns how often each fault
/// happened, and how much order there was to check.
fn run(seeds: Range<u64>) -> (Counts, Checked) {
    let seeds = seeds_from_env().unwrap_or(seeds);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut sums = (NONE, Checked::default());
    std::thread::scope(|scope| {
        let shares = (0..threads).map(|first| seeds.clone().skip(first).step_by(threads));
        let shares: Vec<_> = shares.map(|share| scope.spawn(|| run_share(share))).collect();
        for share in shares {
            add(&mut sums, share.join().expect("the trace is above"));
        }
    });
    sums
}

fn run_share(seeds: impl Iterator<Item = u64>) -> (Counts, Checked) {
    let mut sums = (NONE, Checked::default());
    for seed in seeds {
        let again = format!("run it again: {SEED}={seed} cargo test --test unit simulation");
        let Ok(schedule::Report { violations, trace, counts, checked, .. }) =
            catch_unwind(|| schedule::run(seed, true))
        else {
            panic!("the simulation itself panicked, {again}");
        };
        let trace = trace.join("\n");
        assert!(violations.is_empty(), "{trace}\n\n{}\n\n{again}", violations.join("\n"));
        add(&mut sums, (counts, checked));
    }
    sums
}

fn add(sums: &mut (Counts, Checked), (counts, checked): (Counts, Checked)) {
    for (sum, count) in sums.0.iter_mut().zip(counts) {
        *sum += count;
    }
    sums.1.pairs += checked.pairs;
    sums.1.orders += checked.orders;
}

#[expect(clippy::disallowed_methods, reason = "the seeds of a test are not a setting")]
fn seeds_from_env() -> Option<Range<u64>> {
    let seeds = std::env::var(SEED).ok()?;
    let number = |text: &str| text.parse().expect("seeds are numbers");
    Some(match seeds.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&seeds)..number(&seeds) + 1,
    })
}
