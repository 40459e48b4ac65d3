//! The name by which servers show this process.

/// Program, host and process id, at most 63 bytes: the limit of an `application_name` in PostgreSQL.
pub fn process_name() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine: String = machine.trim().chars().take(38).collect();
    format!("order-worker {machine}:{}", std::process::id())
}
