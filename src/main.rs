//! The program `order-worker`: parse, bootstrap, run.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use order_worker::config::{LogFormat, Settings};
use order_worker::entrypoints::cli;
use tracing_subscriber::EnvFilter;

/// Gives memory back to the system after a peak, where the allocator of the C library keeps it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut program = cli::Program::parse();
    if program.is_a_show() && program.settings.rust_log == "info" {
        // It tells its story itself.
        "error".clone_into(&mut program.settings.rust_log);
    }
    if let Err(error) = log_to_standard_error(&program.settings) {
        eprintln!("order-worker: RUST_LOG: {error}");
        return ExitCode::FAILURE;
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
    code
}

fn log_to_standard_error(
    settings: &Settings,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // lapin's own lines repeat ours in its terms; those on returned messages hold their bodies,
    // which may be personal data.
    let lapin = if settings.rust_log.contains("lapin") { "" } else { "lapin=off," };
    // sqlx's are on tables that exist already, at each start.
    let directives = format!("{lapin}sqlx=warn,{},lapin::returned_messages=off", settings.rust_log);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(directives)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
}
