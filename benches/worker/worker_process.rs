//! Workers as processes of their own.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::processes::{Resident, cpu_seconds, resident};
use crate::rungs::Rung;
use crate::site::Site;

/// What a worker may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which program.
#[derive(Debug, Clone)]
pub enum Program {
    /// `order-worker run`, as shipped.
    Shipped(PathBuf),
    /// This program as a worker, of the same parts but for what the rung changes.
    Rung(Rung),
    /// Any program that does the work of a worker with the same environment.
    Other(PathBuf),
}

/// A running worker; killed when dropped.
#[derive(Debug)]
pub struct WorkerProcess {
    process: Child,
    folder: tempfile::TempDir,
}

impl WorkerProcess {
    /// Starts a worker on the site, with these settings beside the site's own.
    pub fn spawn(
        program: &Program,
        site: &Site,
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
            Program::Rung(rung) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([crate::rungs::COMMAND, rung.name()]);
                command
            }
        };
        site.set_up(&mut command);
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

    /// Waits until the broker counts as many consumers of the commands as there are workers.
    pub async fn all_consume(workers: &mut [Self], site: &Site<'_>) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        while (site.broker.consumers().await? as usize) < workers.len() {
            Self::all_run(workers)?;
            if Instant::now() > deadline {
                return Err("the workers do not consume after a minute".into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// # Errors
    /// With the end of its log, when one has ended.
    pub fn all_run(workers: &mut [Self]) -> Result<(), Failure> {
        for worker in workers {
            if let Some(status) = worker.process.try_wait()? {
                return Err(format!("a worker ended ({status}):\n{}", worker.log()).into());
            }
        }
        Ok(())
    }

    /// Has it end in good order; answers what it printed.
    pub async fn stop(mut self) -> Result<String, Failure> {
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.process.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                return Err(format!("a worker does not end:\n{}", self.log()).into());
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
