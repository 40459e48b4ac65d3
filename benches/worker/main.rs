//! Measures the worker: the limit of the machine, how close the worker gets to it, and what each
//! optimization is worth. `make bench` runs it; docs/performance.md explains it.

mod amqp;
mod backlog;
mod bench_env;
mod check;
mod counting_proxy;
mod database;
mod growth;
mod idle;
mod latency;
mod limit;
mod machine;
mod memory;
mod options;
mod plots;
mod processes;
mod progress;
mod report;
mod results;
mod servers;
mod stages;
mod statistics;
mod tables;
mod throughput;
mod variants;
mod worker_process;
mod workload;

use std::process::ExitCode;

use clap::Parser;
use order_worker::adapters::clock::SystemClock;
use order_worker::messages::wire::format_moment;
use order_worker::service_layer::Clock;

use self::options::{Options, Part};
use self::results::{Conditions, Results};
use self::servers::Servers;
use self::throughput::Throughput;

/// The worker's allocator: this program also runs as a worker.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Why there are no figures.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(variants::COMMAND) {
        return variants::main(arguments);
    }
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let results = runtime.block_on(measure_or_stop(options))?;
    println!("{}", tables::page(&results));
    match options.out() {
        Some(out) => report::write(&results, out),
        None => Ok(()),
    }
}

async fn measure_or_stop(options: &Options) -> Result<Results, Failure> {
    let servers = Servers::at(options.addresses()?).await?;
    tokio::select! {
        results = measure(&servers, options) => results,
        _ = tokio::signal::ctrl_c() => {
            bench_env::remove_all(&servers).await?;
            Err("stopped".into())
        }
    }
}

async fn measure(servers: &Servers, options: &Options) -> Result<Results, Failure> {
    let mut results = rates(servers, options).await?;
    if options.measures(Part::Latency) {
        let full = throughput::of_full(servers, options, &results.backlogs).await?;
        results.latencies = latency::measure(servers, options, full).await?;
    }
    if options.measures(Part::Idle) {
        progress::log("one message at a time on an idle worker");
        results.idle = Some(idle::measure(servers, options).await?);
    }
    if options.measures(Part::Memory) {
        progress::log("memory before, during and after a load");
        results.memory = memory::measure(servers, options).await?;
    }
    if options.measures(Part::Database) {
        progress::log("write-ahead log, commits and round trips of the database");
        results.database = Some(database::measure(servers, options).await?);
    }
    Ok(results)
}

/// The throughputs, which are measured in shuffled rounds, and the conditions.
async fn rates(servers: &Servers, options: &Options) -> Result<Results, Failure> {
    let date = format_moment(SystemClock.now());
    let Throughput { stages, backlogs, growth } = throughput::measure(servers, options).await?;
    Ok(Results {
        date,
        machine: machine::machine(),
        versions: servers.versions().await?,
        conditions: Conditions {
            messages: options.messages(),
            rounds: options.rounds(),
            seed: options.seed,
            synchronous_commit: servers.setting("synchronous_commit").await?,
        },
        limit: limit::of(&stages, machine::cores()),
        stages,
        backlogs,
        latencies: Vec::new(),
        idle: None,
        growth,
        memory: None,
        database: None,
    })
}
