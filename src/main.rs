//! The program `order-worker`: parse, bootstrap, run.

use std::process::ExitCode;

use clap::Parser;
use order_worker::entrypoints::cli;
use order_worker::telemetry::Telemetry;

/// Gives memory back to the system after a peak, where the allocator of the C library keeps it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut program = cli::Program::parse();
    if program.is_a_show() && program.settings.rust_log == "info" {
        // It tells its story itself.
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
    // Not dropped: that would wait for a read of standard input that nobody needs any more.
    runtime.shutdown_background();
    telemetry.end();
    code
}
