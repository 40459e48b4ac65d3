//! CPU time and memory of processes from Linux's `/proc`. Unknown on other systems.
#![expect(clippy::float_arithmetic, reason = "units")]

use std::collections::HashMap;
use std::fs;

/// Clock ticks per second in `/proc/<pid>/stat`: 100 on all common architectures.
const TICKS: f64 = 100.0;

/// A line of `/proc/<pid>/stat`.
struct Stat {
    name: String,
    parent: u32,
    /// In ticks, including children that have ended and were waited for.
    cpu: f64,
}

/// CPU seconds of a process and its descendants, including those that have ended.
pub fn cpu_seconds(root: u32) -> Option<f64> {
    let stats: HashMap<u32, Stat> =
        process_ids().into_iter().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    stats.get(&root)?;
    let of_tree = stats.iter().filter(|(pid, _)| descends(**pid, root, &stats));
    Some(of_tree.map(|(_, stat)| stat.cpu).sum::<f64>() / TICKS)
}

/// CPU seconds of this process alone.
pub fn self_cpu_seconds() -> Option<f64> {
    Some(stat(std::process::id())?.cpu / TICKS)
}

fn descends(pid: u32, root: u32, stats: &HashMap<u32, Stat>) -> bool {
    let parent = |pid: &u32| stats.get(pid).map(|stat| stat.parent);
    std::iter::successors(Some(pid), parent).any(|ancestor| ancestor == root)
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses, and may contain parentheses and spaces.
    let (head, tail) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    // utime, stime, cutime, cstime
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok());
    let parent = fields.get(1)?.parse().ok()?;
    Some(Stat { name: name.to_owned(), parent, cpu: ticks.sum() })
}

fn process_ids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The parent of a process, if the names of both start with `name`.
pub fn parent_named(pid: u32, name: &str) -> Option<u32> {
    let parent = stat(pid).filter(|stat| stat.name.starts_with(name))?.parent;
    stat(parent).filter(|stat| stat.name.starts_with(name)).map(|_| parent)
}

/// The process whose name starts with `name` and that listens on this local TCP port.
pub fn listening_on(port: u16, name: &str) -> Option<u32> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listener(line, port)).collect::<Vec<_>>())
        .collect();
    let named = |pid: &u32| stat(*pid).is_some_and(|stat| stat.name.starts_with(name));
    process_ids().into_iter().filter(named).find(|pid| holds_any(*pid, &sockets))
}

/// The socket of a line of `/proc/net/tcp` that listens on the port.
fn listener(line: &str, port: u16) -> Option<String> {
    const LISTENS: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(local_port, 16) == Ok(port) && fields.get(3) == Some(&LISTENS);
    is_it.then(|| format!("socket:[{}]", fields[9]))
}

fn holds_any(pid: u32, sockets: &[String]) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))
}

/// Resident memory of a process in MiB: now, and at its peak.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    pub now: f64,
    pub peak: f64,
}

pub fn resident(pid: u32) -> Option<Resident> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mib = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kib / 1024.0)
    };
    Some(Resident { now: mib("VmRSS:")?, peak: mib("VmHWM:")? })
}
