//! Judges the facts about the database.

use std::time::Duration;

use chrono::TimeDelta;

use super::{Expected, Finding};
use crate::messages::{Backlog, MAX_COUNTED};
use crate::service_layer::{RelayHolder, RelayRole};

/// Clocks that differ by more than this make times in the history and in logs contradict each other.
const MAX_CLOCK_OFFSET: TimeDelta = TimeDelta::seconds(3);

/// Older outbox messages mean that neither the lanes nor the relay publish them.
const MAX_OUTBOX_AGE: Duration = Duration::from_mins(2);

/// Dead letters that are open for longer are likely to be forgotten.
const MAX_DEAD_LETTER_AGE: Duration = Duration::from_hours(7 * 24);

/// What a database says of itself. A part that cannot be read is an error with the reason.
#[derive(Debug, Clone)]
pub struct DatabaseFacts {
    pub server: Result<ServerFacts, String>,
    /// An error if a worker of this version cannot use the tables.
    pub schema: Result<(), String>,
    pub backlog: Result<Backlog, String>,
}

/// A database server and the session of this user.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// Such as `PostgreSQL 18.6`.
    pub version: String,
    pub is_supported: bool,
    /// Why the session cannot write, if it cannot.
    pub read_only: Option<String>,
    /// By how much its clock is ahead of the clock of this machine, at least.
    pub clock_offset: TimeDelta,
    /// Privileges that a worker needs and this user lacks, such as `insert on orders`.
    pub missing_privileges: Vec<String>,
    /// The session with the relay's lock; `None` without such a lock.
    pub relay: Option<RelayHolder>,
    /// Whether sessions of several workers compete for that lock.
    pub has_relay_lock: bool,
}

/// The findings when no session can be opened.
pub(super) fn unreachable(reason: &str, expected: &Expected) -> Vec<Finding> {
    vec![
        Finding::error("database", format!("{}: {reason}", expected.database_address))
            .meaning("Workers pause; commands stay with the broker. Nothing is lost.")
            .fix("check DATABASE_URL and the server: psql \"$DATABASE_URL\" -c 'select version()'"),
        Finding::unknown(
            "schema, privileges, backlog",
            "cannot be checked while the database is unreachable",
        ),
    ]
}

pub(super) fn judge(facts: &DatabaseFacts, expected: &Expected) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &facts.server {
        Ok(server) => findings.extend(server_findings(server, expected)),
        Err(reason) => findings.push(Finding::unknown("database", reason)),
    }
    if let Err(reason) = &facts.schema {
        findings.push(schema(reason, expected));
        return findings;
    }
    findings.push(Finding::ok("schema", "this program can use the tables"));
    if let Ok(server) = &facts.server {
        findings.extend(privileges(&server.missing_privileges));
    }
    match &facts.backlog {
        Ok(backlog) => {
            if let Ok(server) = &facts.server {
                findings.extend(relay(server, backlog));
            }
            findings.push(outbox(backlog));
            findings.extend(dead_letters(backlog));
        }
        Err(reason) => findings.push(Finding::unknown("relay, outbox, dead letters", reason)),
    }
    findings
}

fn server_findings(server: &ServerFacts, expected: &Expected) -> Vec<Finding> {
    let detail = format!("{} at {}", server.version, expected.database_address);
    let mut findings = vec![if server.is_supported {
        Finding::ok("database", detail)
    } else {
        Finding::error("database", detail)
            .meaning("The worker needs PostgreSQL 14 or later.")
            .fix("upgrade PostgreSQL")
    }];
    if let Some(reason) = &server.read_only {
        findings.push(
            Finding::error("database accepts writes", reason)
                .meaning("Workers pause until the session is writable; commands stay with the broker.")
                .fix("connect to the primary: check the host of DATABASE_URL, or promote the standby"),
        );
    }
    findings.extend(clock(server.clock_offset));
    findings
}

fn clock(offset: TimeDelta) -> Option<Finding> {
    if offset.abs() <= MAX_CLOCK_OFFSET {
        return None;
    }
    let direction = if offset > TimeDelta::zero() { "ahead of" } else { "behind" };
    let seconds = offset.num_seconds().abs();
    Some(
        Finding::warning("clocks", format!("the database is {seconds} s {direction} this machine"))
            .meaning("Times in histories, dead letters and logs contradict each other.")
            .fix("timedatectl timesync-status    # on both machines"),
    )
}

fn schema(reason: &str, expected: &Expected) -> Finding {
    let meaning = if expected.migrates {
        "A worker migrates older tables at start. It does not start on tables that are too new."
    } else {
        "Workers do not start."
    };
    let fix = if reason.contains("order-worker migrate") {
        "order-worker migrate"
    } else {
        "use a newer order-worker"
    };
    Finding::error("schema", reason).meaning(meaning).fix(fix)
}

fn privileges(missing: &[String]) -> Option<Finding> {
    (!missing.is_empty()).then(|| {
        Finding::error("privileges", format!("missing: {}", missing.join(", ")))
            .meaning("Commands, events or dead letters wait.")
            .fix("grant them; see \"Permissions\" in docs/operations.md")
    })
}

fn relay(server: &ServerFacts, backlog: &Backlog) -> Option<Finding> {
    if !server.has_relay_lock {
        return None;
    }
    let Some(holder) = &server.relay else {
        let detail = "no session has the relay's lock";
        return Some(if backlog.outbox.count == 0 {
            Finding::ok("relay", format!("{detail}; the outbox is empty"))
        } else {
            Finding::warning("relay", detail)
                .meaning("No worker publishes what a crash left in the outbox.")
                .fix("start a worker: order-worker run")
        });
    };
    let RelayHolder { session, application, client, idle } = holder;
    let detail = format!("session {session} of {application} from {client}");
    Some(if RelayRole::Another(Some(holder.clone())).is_idle() {
        Finding::warning("relay", format!("{detail}, idle for {} s", idle.as_secs()))
            .meaning("A session that does nothing holds the lock: what a crash left in the outbox waits.")
            .fix(format!("end it: select pg_terminate_backend({session})"))
    } else {
        Finding::ok("relay", detail)
    })
}

fn outbox(backlog: &Backlog) -> Finding {
    let detail = waiting(backlog.outbox.count, backlog.outbox.oldest, "in the outbox");
    if backlog.outbox.oldest.is_some_and(|oldest| oldest > MAX_OUTBOX_AGE) {
        Finding::warning("outbox", detail)
            .meaning("The broker or a subscriber's queue does not accept events, or no worker is running.")
            .fix("see \"Outbox and relay\" in docs/operations.md")
    } else {
        Finding::ok("outbox", detail)
    }
}

fn dead_letters(backlog: &Backlog) -> Option<Finding> {
    let open = backlog.open_dead_letters.as_ref()?;
    let detail = waiting(open.of(|_| true), open.oldest, "open");
    Some(if open.oldest.is_some_and(|oldest| oldest > MAX_DEAD_LETTER_AGE) {
        Finding::warning("dead letters", detail)
            .meaning("They are deleted when their retention ends.")
            .fix("order-worker dead-letters list --group")
    } else {
        Finding::ok("dead letters", detail)
    })
}

fn waiting(count: u64, oldest: Option<Duration>, state: &str) -> String {
    let more = if count >= u64::from(MAX_COUNTED) { "at least " } else { "" };
    match oldest {
        Some(oldest) => format!("{more}{count} {state}, the oldest for {} s", oldest.as_secs()),
        None => format!("{more}{count} {state}"),
    }
}
