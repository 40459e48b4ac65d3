//! The pipeline under thousands of schedules of faults, each from a seed, on a clock that jumps.
//!
//! A schedule that fails prints its trace and how to run it again alone.

mod broker;
mod chance;
mod checks;
mod clients;
mod clock;
mod fault;
mod intents;
mod ledger;
mod publisher;
mod schedule;
mod source;
mod store;
mod worker;

use std::ops::Range;
use std::panic::catch_unwind;

use chance::Counts;
use fault::Fault;

/// Nothing happened.
const NONE: Counts = [0; Fault::ALL.len()];

/// The seed to run alone, or a range of them: `81`, `2000..50000`.
const SEED: &str = "SIMULATION_SEED";

#[test]
fn whatever_fails_and_whenever_every_promise_holds() {
    let counts = run(0..2000);

    println!("{:?}", Fault::ALL.map(|fault| (fault, counts[fault as usize])));
    let rare: Vec<Fault> =
        Fault::ALL.into_iter().filter(|fault| counts[*fault as usize] < 100).collect();
    assert!(asked_for().is_some() || rare.is_empty(), "these hardly happened: {rare:?}");
}

#[test]
fn without_faults_each_event_is_sent_once() {
    for seed in 0..100 {
        let report = schedule::run(seed, false);
        assert_eq!(report.violations, [] as [String; 0], "{}", report.trace.join("\n"));
        assert_eq!(report.counts, NONE);
        assert_eq!(report.copies[0], report.copies[1], "{}", report.trace.join("\n"));
    }
}

#[test]
fn a_seed_tells_everything_about_its_schedule() {
    for seed in 0..50 {
        assert_eq!(schedule::run(seed, true).trace, schedule::run(seed, true).trace, "{seed}");
    }
}

/// Runs the schedules of these seeds, or those that were asked for; answers what happened.
fn run(seeds: Range<u64>) -> Counts {
    let seeds = asked_for().unwrap_or(seeds);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut counts = NONE;
    std::thread::scope(|scope| {
        let shares = (0..threads).map(|first| seeds.clone().skip(first).step_by(threads));
        let shares: Vec<_> = shares.map(|share| scope.spawn(|| run_share(share))).collect();
        for share in shares {
            add(&mut counts, share.join().expect("see the trace above"));
        }
    });
    counts
}

fn run_share(seeds: impl Iterator<Item = u64>) -> Counts {
    let mut counts = NONE;
    for seed in seeds {
        let again = format!("again: {SEED}={seed} cargo test --test unit simulation");
        let Ok(schedule::Report { violations, trace, counts: happened, .. }) =
            catch_unwind(|| schedule::run(seed, true))
        else {
            panic!("the simulation itself broke, {again}");
        };
        let trace = trace.join("\n");
        assert!(violations.is_empty(), "{trace}\n\n{}\n\n{again}", violations.join("\n"));
        add(&mut counts, happened);
    }
    counts
}

fn add(sums: &mut Counts, counts: Counts) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}

#[expect(clippy::disallowed_methods, reason = "which schedules a test runs is no setting")]
fn asked_for() -> Option<Range<u64>> {
    let seeds = std::env::var(SEED).ok()?;
    let number = |text: &str| text.parse().expect("seeds are numbers");
    Some(match seeds.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&seeds)..number(&seeds) + 1,
    })
}
