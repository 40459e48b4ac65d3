//! The binary `order-worker`: parses arguments, starts telemetry, runs the subcommand.

use std::process::ExitCode;

use clap::Parser;
use order_worker::entrypoints::cli;
use order_worker::telemetry::Telemetry;

/// Unlike the allocator of the C library, it returns memory to the system after a peak.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut program = cli::Program::parse();
    if program.is_demo() && program.settings.rust_log == "info" {
        // The demo prints its own output.
        "error".clone_into(&mut program.settings.rust_log);
    }
    let telemetry = match Telemetry::start(&program.settings) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("order-worker: {error}");
            return ExitCode::FAILURE;
        }
    };
    for warning in program.settings.take_deprecated() {
        tracing::warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("order-worker: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(cli::main(program));
    // Dropping the runtime would wait for a pending read of standard input.
    runtime.shutdown_background();
    telemetry.end();
    code
}
