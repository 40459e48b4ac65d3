//! Judges the facts about the broker.

use super::{Expected, Finding};
use crate::messages::QueueDepth;

/// The oldest version with everything that the queues need: at-least-once dead-lettering.
const OLDEST_VERSION: (u32, u32) = (3, 10);

/// Since this version, the priorities of single active consumers have an effect on quorum queues.
const FIRST_WITH_PRIORITIES: (u32, u32) = (4, 0);

/// More ready commands than this are a backlog that does not go away by itself soon.
const MANY_COMMANDS: u64 = 10_000;

const ENABLE_PLUGIN: &str =
    "rabbitmq-plugins enable rabbitmq_consistent_hash_exchange    # on each node";

/// What a broker says of itself. A part that cannot be read is an error with the reason.
#[derive(Debug, Clone)]
pub struct BrokerFacts {
    /// Such as `4.3.6`.
    pub version: Option<String>,
    /// Whether the exchange type that spreads commands over partitions is enabled.
    pub has_hash_exchange: Result<bool, String>,
    /// Whether the queue of a single partition is still in use, although there should be several.
    pub is_unpartitioned: bool,
    pub topology: Result<Vec<ResourceCheck>, String>,
    pub queues: Result<Vec<QueueState>, String>,
    pub permissions: Result<Vec<PermissionCheck>, String>,
    /// Whether a memory or disk alarm blocks publishing.
    pub blocks_publishing: bool,
}

/// An exchange or queue on the broker, compared with the topology.
#[derive(Debug, Clone)]
pub struct ResourceCheck {
    /// Kind and name, such as `queue orders.commands`.
    pub resource: String,
    pub status: ResourceStatus,
}

/// How an exchange or queue on the broker compares with the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceStatus {
    Matches,
    Missing,
    /// It exists with other arguments; with the reply text of the broker.
    Differs(String),
    /// The broker refuses to compare it; with its reply text.
    AccessRefused(String),
}

/// A queue and what waits in it.
#[derive(Debug, Clone)]
pub struct QueueState {
    pub role: QueueRole,
    pub name: String,
    /// `None` if the queue does not exist.
    pub depth: Option<QueueDepth>,
}

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueRole {
    /// The commands of one partition, or all.
    Commands,
    Retries,
    DeadLetters,
}

/// A permission that a running worker needs.
#[derive(Debug, Clone)]
pub struct PermissionCheck {
    pub permission: Permission,
    /// The exchange or queue.
    pub resource: String,
    /// The reply text of the broker if it refuses access.
    pub refused: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Read,
    Write,
}

impl QueueRole {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Retries => "retries",
            Self::DeadLetters => "dead_letters",
        }
    }
}

impl Permission {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The findings when no connection can be opened.
pub(super) fn unreachable(reason: &str, expected: &Expected) -> Vec<Finding> {
    let fix = if reason.contains("ACCESS_REFUSED") || reason.contains("NOT_ALLOWED") {
        "check user, password and virtual host of AMQP_URL: rabbitmqctl list_permissions -p VHOST"
    } else {
        "check AMQP_URL, and on the broker's machine: rabbitmq-diagnostics check_port_connectivity"
    };
    vec![
        Finding::error("broker", format!("{}: {reason}", expected.broker_address))
            .meaning("Commands wait at the broker, events in the outbox. Nothing is lost.")
            .fix(fix),
        Finding::unknown(
            "topology, queues, permissions",
            "cannot be checked while the broker is unreachable",
        ),
    ]
}

pub(super) fn judge(facts: &BrokerFacts, expected: &Expected) -> Vec<Finding> {
    let mut findings = vec![version(facts.version.as_deref(), expected)];
    if expected.partitions > 1 {
        findings.extend(hash_exchange(&facts.has_hash_exchange));
    }
    findings.extend(topology(facts, expected));
    match &facts.queues {
        Ok(queues) => findings.extend(queue_findings(queues, expected)),
        Err(reason) => findings.push(Finding::unknown("queues", reason)),
    }
    if facts.blocks_publishing {
        findings.push(
            Finding::error("alarms", "a memory or disk alarm blocks publishing")
                .meaning("Events stay in the outbox, and the worker stops consuming.")
                .fix("rabbitmq-diagnostics alarms; free memory or disk space on that node"),
        );
    }
    match &facts.permissions {
        Ok(permissions) => findings.extend(permission_findings(permissions)),
        Err(reason) => findings.push(Finding::unknown("permissions", reason)),
    }
    findings.push(invisible());
    findings
}

fn version(version: Option<&str>, expected: &Expected) -> Finding {
    let address = &expected.broker_address;
    let Some(version) = version else {
        return Finding::unknown("broker", format!("{address} does not report its version"));
    };
    let detail = format!("RabbitMQ {version} at {address}");
    match major_and_minor(version) {
        None => Finding::unknown("broker", detail),
        Some(known) if known < OLDEST_VERSION => Finding::error("broker", detail)
            .meaning("Versions before 3.10 have no at-least-once dead-lettering: retries can get lost.")
            .fix("upgrade RabbitMQ to 3.10 or later"),
        Some(known) if known < FIRST_WITH_PRIORITIES && expected.partitions > 1 => {
            Finding::warning("broker", detail)
                .meaning("Before 4.0, the worker that starts first keeps all partitions. Order holds, balance does not.")
                .fix("upgrade RabbitMQ to 4.0 or later")
        }
        Some(_) => Finding::ok("broker", detail),
    }
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

fn hash_exchange(has_hash_exchange: &Result<bool, String>) -> Option<Finding> {
    const CHECK: &str = "plugin rabbitmq_consistent_hash_exchange";
    match has_hash_exchange {
        Ok(true) => None,
        Ok(false) => Some(
            Finding::error(CHECK, "not enabled")
                .meaning("PARTITIONS needs it: workers do not start.")
                .fix(ENABLE_PLUGIN),
        ),
        Err(reason) => Some(Finding::unknown(CHECK, reason)),
    }
}

fn topology(facts: &BrokerFacts, expected: &Expected) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.is_unpartitioned {
        let fix = format!("PARTITIONS=1 order-worker topology repartition {}", expected.partitions);
        findings.push(
            Finding::error("partitions", "the commands are not partitioned yet")
                .meaning("Workers with this PARTITIONS do not start.")
                .fix(fix),
        );
    }
    let checks = match &facts.topology {
        Ok(checks) => checks,
        Err(reason) => {
            findings.push(Finding::unknown("topology", reason));
            return findings;
        }
    };
    if checks.iter().all(|check| check.status == ResourceStatus::Missing) {
        let detail = format!("none of the {} exchanges and queues exists", checks.len());
        findings.push(missing(Finding::error("topology", detail), expected));
        return findings;
    }
    let matching = checks.iter().filter(|check| check.status == ResourceStatus::Matches).count();
    if matching == checks.len() {
        let detail = format!("all {matching} exchanges and queues are as declared");
        findings.push(Finding::ok("topology", detail));
    }
    findings.extend(checks.iter().filter_map(|check| resource(check, expected)));
    findings
}

fn resource(check: &ResourceCheck, expected: &Expected) -> Option<Finding> {
    let name = check.resource.as_str();
    Some(match &check.status {
        ResourceStatus::Matches => return None,
        ResourceStatus::Missing => missing(Finding::error(name, "missing"), expected),
        ResourceStatus::Differs(difference) => Finding::error(name, difference)
            .meaning("A worker that declares the topology does not start.")
            .fix("change the setting, or replace it: see \"Change queue arguments\" in docs/operations.md"),
        ResourceStatus::AccessRefused(reason) if expected.declares_topology => {
            Finding::error(name, reason)
                .meaning("With DECLARE_TOPOLOGY, a worker needs the configure permission: it does not start.")
                .fix("rabbitmqctl set_permissions, or DECLARE_TOPOLOGY=false; see \"Permissions\" in docs/operations.md")
        }
        ResourceStatus::AccessRefused(reason) => Finding::unknown(name, reason)
            .meaning("The arguments can be compared only with the configure permission.")
            .fix("order-worker doctor, as a user with that permission"),
    })
}

fn missing(finding: Finding, expected: &Expected) -> Finding {
    let meaning = if expected.declares_topology {
        "A worker declares it at start and when it needs it; until then, messages for it wait."
    } else {
        "Workers do not start, and messages for it wait."
    };
    finding.meaning(meaning).fix("order-worker topology apply")
}

fn queue_findings(queues: &[QueueState], expected: &Expected) -> Vec<Finding> {
    let existing = |role| {
        let of_role = queues.iter().filter(move |queue| queue.role == role);
        of_role.filter_map(|queue| Some((queue.name.as_str(), queue.depth?))).collect::<Vec<_>>()
    };
    let mut findings = commands(&existing(QueueRole::Commands), expected);
    findings.extend(retries(&existing(QueueRole::Retries)));
    findings.extend(dead_letters(&existing(QueueRole::DeadLetters), expected));
    findings
}

fn commands(queues: &[(&str, QueueDepth)], expected: &Expected) -> Vec<Finding> {
    const START: &str = "start a worker: order-worker run";
    if queues.is_empty() {
        return Vec::new();
    }
    let ready: u64 = queues.iter().map(|(_, depth)| depth.ready).sum();
    let unused: Vec<_> = queues.iter().filter(|(_, depth)| depth.consumers == 0).collect();
    let check = if expected.partitions > 1 {
        format!("{} partitions", queues.len())
    } else {
        format!("queue {}", queues[0].0)
    };
    if unused.len() == queues.len() {
        let detail = format!("no consumer; {ready} messages are ready");
        let meaning = "No worker consumes commands.";
        return vec![match ready {
            0 => Finding::warning(check, detail).meaning(meaning).fix(START),
            _ => Finding::error(check, detail).meaning(meaning).fix(START),
        }];
    }
    let mut findings: Vec<_> = unused
        .into_iter()
        .map(|(name, depth)| {
            let detail = format!("no consumer; {} messages are ready", depth.ready);
            Finding::error(format!("queue {name}"), detail)
                .meaning("Commands of this partition wait, although workers consume others.")
                .fix("rabbitmqctl list_consumers queue_name consumer_tag active; restart the workers one by one")
        })
        .collect();
    let detail = format!("consumed; {ready} messages are ready");
    findings.push(if ready > MANY_COMMANDS {
        Finding::warning(check, detail)
            .meaning("More commands arrive than the workers process, or they are paused.")
            .fix("see \"Sizing\" and \"Partitions\" in docs/operations.md")
    } else {
        Finding::ok(check, detail)
    });
    findings
}

/// Messages that have expired but cannot be dead-lettered are not among the ready ones.
fn retries(queues: &[(&str, QueueDepth)]) -> Vec<Finding> {
    if queues.is_empty() {
        return Vec::new();
    }
    let consumed = queues.iter().filter(|(_, depth)| depth.consumers > 0);
    let mut findings: Vec<_> = consumed
        .map(|(name, depth)| {
            let detail = format!("{} consumers, but a retry queue has none", depth.consumers);
            Finding::error(format!("queue {name}"), detail)
                .meaning("Another program takes commands that wait for their retry.")
                .fix(format!(
                    "rabbitmqctl list_consumers queue_name channel_pid consumer_tag | grep {name}"
                ))
        })
        .collect();
    if findings.is_empty() {
        let ready: u64 = queues.iter().map(|(_, depth)| depth.ready).sum();
        findings.push(Finding::ok("retries", format!("{ready} commands wait for their retry")));
    }
    findings
}

fn dead_letters(queues: &[(&str, QueueDepth)], expected: &Expected) -> Vec<Finding> {
    let of_queue = |(name, depth): &(&str, QueueDepth)| {
        let check = format!("queue {name}");
        let QueueDepth { ready, consumers } = *depth;
        if expected.collects_dead_letters && consumers == 0 && ready > 0 {
            return Finding::warning(check, format!("no consumer; {ready} dead letters wait"))
                .meaning("They cannot be searched or replayed before a worker moves them into the table.")
                .fix("start a worker: order-worker run");
        }
        if !expected.collects_dead_letters && ready > 0 {
            return Finding::warning(check, format!("{ready} dead letters wait"))
                .meaning("With COLLECT_DEAD_LETTERS=false, no worker moves them into the table.")
                .fix("process them with your own consumer, or set COLLECT_DEAD_LETTERS=true");
        }
        Finding::ok(check, format!("{ready} dead letters wait to be moved into the table"))
    };
    queues.iter().map(of_queue).collect()
}

fn permission_findings(permissions: &[PermissionCheck]) -> Vec<Finding> {
    let mut findings: Vec<_> = permissions
        .iter()
        .filter_map(|check| {
            let PermissionCheck { permission, resource, refused } = check;
            let meaning = match permission {
                Permission::Read => "The worker cannot consume it.",
                Permission::Write => {
                    "The worker cannot publish to it; events, retries or dead letters wait."
                }
            };
            let name = format!("{} permission on {resource}", permission.as_str());
            Some(
                Finding::error(name, refused.as_deref()?)
                    .meaning(meaning)
                    .fix("rabbitmqctl set_permissions; see \"Permissions\" in docs/operations.md"),
            )
        })
        .collect();
    if findings.is_empty() {
        let detail = format!("all {} that a running worker needs", permissions.len());
        findings.push(Finding::ok("permissions", detail));
    }
    findings
}

/// What AMQP has no method for.
fn invisible() -> Finding {
    Finding::unknown(
        "policies, bindings, blocked retries",
        "AMQP shows neither policies nor bindings, nor retries that have expired and cannot return",
    )
    .meaning(
        "In a retry queue, more messages than messages_ready for longer than its TTL are blocked.",
    )
    .fix("rabbitmqctl list_queues name policy messages messages_ready; rabbitmqctl list_policies")
}
