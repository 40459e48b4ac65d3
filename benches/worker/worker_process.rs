//! Workers as separate processes.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::bench_env::BenchEnv;
use crate::processes::{Resident, cpu_seconds, resident};
use crate::variants::Variant;

/// For a worker to start, and to stop.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Which program to run.
#[derive(Debug, Clone)]
pub enum Program {
    /// `order-worker run`, as shipped.
    Shipped(PathBuf),
    /// This program as a worker, with what the variant changes.
    Variant(Variant),
    /// Any program that works as a worker with the same environment variables.
    Other(PathBuf),
}

/// A running worker; killed when dropped.
#[derive(Debug)]
pub struct WorkerProcess {
    process: Child,
    folder: tempfile::TempDir,
}

impl WorkerProcess {
    /// Starts a worker in this environment, with additional settings.
    pub fn spawn(
        program: &Program,
        env: &BenchEnv,
        settings: &[(&str, String)],
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mut command = match program {
            Program::Shipped(path) => {
                let mut command = Command::new(path);
                command.arg("run");
                command
            }
            Program::Other(path) => Command::new(path),
            Program::Variant(variant) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([crate::variants::COMMAND, variant.name()]);
                command
            }
        };
        env.configure(&mut command);
        let process = command
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("output"))?)
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()?;
        Ok(Self { process, folder })
    }

    pub fn resident(&self) -> Option<Resident> {
        resident(self.process.id())
    }

    pub fn cpu_seconds(&self) -> Option<f64> {
        cpu_seconds(self.process.id())
    }

    /// Waits until every worker consumes the commands queue.
    pub async fn all_consume(workers: &mut [Self], env: &BenchEnv<'_>) -> Result<(), Failure> {
        let deadline = Instant::now() + TIMEOUT;
        while env.broker.consumers().await? < workers.len() as u64 {
            Self::all_run(workers)?;
            if Instant::now() > deadline {
                return Err("the workers do not consume after a minute".into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// # Errors
    /// When a worker has ended, with the end of its log.
    pub fn all_run(workers: &mut [Self]) -> Result<(), Failure> {
        for worker in workers {
            if let Some(status) = worker.process.try_wait()? {
                return Err(format!("a worker ended ({status}):\n{}", worker.log()).into());
            }
        }
        Ok(())
    }

    /// Stops it with SIGTERM; returns its standard output.
    pub async fn stop(mut self) -> Result<String, Failure> {
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let deadline = Instant::now() + TIMEOUT;
        let status = loop {
            if let Some(status) = self.process.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                return Err(format!("a worker does not stop:\n{}", self.log()).into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        if !status.success() {
            return Err(format!("a worker failed ({status}):\n{}", self.log()).into());
        }
        Ok(fs::read_to_string(self.file("output"))?)
    }

    /// The end of the log.
    pub fn log(&self) -> String {
        const LINES: usize = 20;
        let log = fs::read_to_string(self.file("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
