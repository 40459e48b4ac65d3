//! The rules by which the doctor judges what the servers say.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use order_worker::messages::{Backlog, OpenDeadLetters, OutboxBacklog, QueueDepth};
use order_worker::service_layer::RelayHolder;
use order_worker::service_layer::doctor::{
    BrokerFacts, BrokerProbe, CheckResult, DatabaseFacts, DatabaseProbe, Doctor,
    EXAMINATION_TIMEOUT, Expected, Finding, Permission, PermissionCheck, QueueRole, QueueState,
    Report, ResourceCheck, ResourceStatus, ServerFacts, readiness,
};
use tokio::time::Instant;

/// A server that says this; `None` for one that never responds.
#[derive(Debug)]
struct Server<F>(Option<Result<F, String>>);

#[async_trait]
impl BrokerProbe for Server<BrokerFacts> {
    async fn facts(&self) -> Result<BrokerFacts, String> {
        match &self.0 {
            Some(facts) => facts.clone(),
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl DatabaseProbe for Server<DatabaseFacts> {
    async fn facts(&self) -> Result<DatabaseFacts, String> {
        match &self.0 {
            Some(facts) => facts.clone(),
            None => std::future::pending().await,
        }
    }
}

fn expected(partitions: u16) -> Expected {
    Expected {
        broker_address: "amqp://broker:5672/%2f".to_owned(),
        database_address: "postgres://db:5432/orders".to_owned(),
        partitions,
        declares_topology: true,
        collects_dead_letters: true,
        migrates: true,
    }
}

fn queue(role: QueueRole, name: &str, ready: u64, consumers: u64) -> QueueState {
    QueueState { role, name: name.to_owned(), depth: Some(QueueDepth { ready, consumers }) }
}

fn resource(name: &str, status: ResourceStatus) -> ResourceCheck {
    ResourceCheck { resource: name.to_owned(), status }
}

/// Of a healthy broker with two partitions.
fn broker() -> BrokerFacts {
    let permission = |permission, resource: &str| PermissionCheck {
        permission,
        resource: resource.to_owned(),
        refused: None,
    };
    BrokerFacts {
        version: Some("4.3.6".to_owned()),
        has_hash_exchange: Ok(true),
        is_unpartitioned: false,
        topology: Ok(vec![
            resource("queue orders.commands.0of2", ResourceStatus::Matches),
            resource("queue orders.commands.of2.retry.1", ResourceStatus::Matches),
        ]),
        queues: Ok(vec![
            queue(QueueRole::Commands, "orders.commands.0of2", 3, 1),
            queue(QueueRole::Commands, "orders.commands.1of2", 0, 1),
            queue(QueueRole::Retries, "orders.commands.of2.retry.1", 2, 0),
            queue(QueueRole::DeadLetters, "orders.dead-letter", 0, 1),
        ]),
        permissions: Ok(vec![
            permission(Permission::Write, "exchange orders.events"),
            permission(Permission::Read, "queue orders.dead-letter"),
        ]),
        blocks_publishing: false,
    }
}

/// Of a healthy PostgreSQL with a relay.
fn database() -> DatabaseFacts {
    let relay = RelayHolder {
        session: 42,
        application: "order-worker host:7".to_owned(),
        client: "10.0.0.7".to_owned(),
        idle: Duration::from_secs(2),
    };
    DatabaseFacts {
        server: Ok(ServerFacts {
            version: "PostgreSQL 18.6".to_owned(),
            is_supported: true,
            read_only: None,
            clock_offset: TimeDelta::milliseconds(-40),
            missing_privileges: Vec::new(),
            relay: Some(relay),
            has_relay_lock: true,
        }),
        schema: Ok(()),
        backlog: Ok(Backlog {
            has_orders: true,
            outbox: OutboxBacklog { count: 1, oldest: Some(Duration::from_secs(1)) },
            open_dead_letters: Some(OpenDeadLetters::default()),
        }),
    }
}

async fn examined(
    broker: Result<BrokerFacts, String>,
    database: Result<DatabaseFacts, String>,
    expected: Expected,
) -> Report {
    let broker = Some(Box::new(Server(Some(broker))) as Box<dyn BrokerProbe>);
    Doctor { broker, database: Box::new(Server(Some(database))), expected }.examine().await
}

async fn with_broker(change: impl FnOnce(&mut BrokerFacts)) -> Report {
    let mut facts = broker();
    change(&mut facts);
    examined(Ok(facts), Ok(database()), expected(2)).await
}

async fn with_database(change: impl FnOnce(&mut DatabaseFacts)) -> Report {
    let mut facts = database();
    change(&mut facts);
    examined(Ok(broker()), Ok(facts), expected(2)).await
}

/// The only finding with this result.
#[track_caller]
fn the_only(report: &Report, result: CheckResult) -> &Finding {
    let mut found = report.findings.iter().filter(|finding| finding.result == result);
    let finding = found.next().unwrap_or_else(|| panic!("none: {report:#?}"));
    assert!(found.next().is_none(), "several: {report:#?}");
    assert!(finding.meaning.is_some() && finding.fix.is_some(), "{finding:?}");
    finding
}

#[tokio::test]
async fn a_healthy_installation_has_no_errors_and_no_warnings() {
    let report = with_broker(|_| {}).await;

    assert_eq!((report.errors, report.warnings), (0, 0), "{report:#?}");
    let checks: Vec<_> = report.findings.iter().map(|finding| finding.check.as_str()).collect();
    for check in ["broker", "topology", "2 partitions", "permissions", "database", "relay"] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
}

#[tokio::test]
async fn what_amqp_cannot_show_is_unknown_and_comes_with_a_command() {
    let report = with_broker(|_| {}).await;

    let finding = the_only(&report, CheckResult::Unknown);
    assert!(finding.check.contains("policies") && finding.check.contains("blocked retries"));
    assert!(finding.fix.as_ref().unwrap().contains("rabbitmqctl list_queues"));
}

#[tokio::test]
async fn both_servers_are_examined_when_one_is_unreachable() {
    let refused = "ACCESS_REFUSED - Login was refused".to_owned();

    let report = examined(Err(refused), Err("connection refused".to_owned()), expected(1)).await;

    assert_eq!(report.errors, 2, "{report:#?}");
    let errors: Vec<_> =
        report.findings.iter().filter(|it| it.result == CheckResult::Error).collect();
    assert_eq!((errors[0].check.as_str(), errors[1].check.as_str()), ("broker", "database"));
    assert!(errors[0].fix.as_ref().unwrap().contains("user, password"), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_respond_delays_the_report_for_a_limited_time() {
    let broker = Some(Box::new(Server::<BrokerFacts>(None)) as Box<dyn BrokerProbe>);
    let database = Box::new(Server(Some(Ok(database()))));
    let began = Instant::now();

    let report = Doctor { broker, database, expected: expected(1) }.examine().await;

    assert_eq!(began.elapsed(), EXAMINATION_TIMEOUT);
    assert!(the_only(&report, CheckResult::Error).detail.contains("no complete response"));
    assert!(report.findings.iter().any(|finding| finding.check == "outbox"), "{report:#?}");
}

#[tokio::test]
async fn the_in_process_broker_needs_no_examination() {
    let database = Box::new(Server(Some(Ok(database()))));

    let report = Doctor { broker: None, database, expected: expected(1) }.examine().await;

    assert_eq!((report.errors, report.unknown), (0, 0), "{report:#?}");
}

#[tokio::test]
async fn old_brokers_are_named() {
    let too_old = with_broker(|facts| facts.version = Some("3.9.11".to_owned())).await;
    let unbalanced = with_broker(|facts| facts.version = Some("3.13.7".to_owned())).await;

    assert!(the_only(&too_old, CheckResult::Error).detail.contains("3.9.11"));
    let warning = the_only(&unbalanced, CheckResult::Warning);
    assert!(warning.meaning.as_ref().unwrap().contains("keeps all partitions"), "{warning:?}");
}

#[tokio::test]
async fn a_missing_plugin_is_an_error_only_with_partitions() {
    let mut facts = broker();
    facts.has_hash_exchange = Ok(false);

    let partitioned = examined(Ok(facts.clone()), Ok(database()), expected(2)).await;
    let single = examined(Ok(facts), Ok(database()), expected(1)).await;

    let fix = the_only(&partitioned, CheckResult::Error).fix.as_ref().unwrap();
    assert!(fix.contains("rabbitmq-plugins enable rabbitmq_consistent_hash_exchange"), "{fix}");
    assert_eq!(single.errors, 0);
}

#[tokio::test]
async fn each_missing_or_different_queue_is_an_error_of_its_own() {
    let report = with_broker(|facts| {
        facts.topology = Ok(vec![
            resource("exchange orders.events", ResourceStatus::Matches),
            resource("queue retry.1", ResourceStatus::Missing),
            resource("queue commands", ResourceStatus::Differs("x-delivery-limit".to_owned())),
        ]);
    })
    .await;

    let errors: Vec<_> =
        report.findings.iter().filter(|it| it.result == CheckResult::Error).collect();
    assert_eq!(errors.len(), 2, "{report:#?}");
    assert_eq!((&*errors[0].check, &*errors[1].check), ("queue retry.1", "queue commands"));
    assert_eq!(errors[0].fix.as_deref(), Some("order-worker topology apply"));
    assert!(errors[1].detail.contains("x-delivery-limit"));
}

#[tokio::test]
async fn a_broker_without_any_of_the_queues_is_one_error() {
    let missing = |name| resource(name, ResourceStatus::Missing);
    let report = with_broker(|facts| facts.topology = Ok(vec![missing("a"), missing("b")])).await;

    assert!(the_only(&report, CheckResult::Error).detail.contains("none of the 2"));
}

#[tokio::test]
async fn a_refused_comparison_is_an_error_only_for_workers_that_declare() {
    let refused = ResourceStatus::AccessRefused("ACCESS_REFUSED - configure".to_owned());
    let mut facts = broker();
    facts.topology =
        Ok(vec![resource("exchange e", ResourceStatus::Matches), resource("queue q", refused)]);
    let only_checks = Expected { declares_topology: false, ..expected(2) };

    let declares = examined(Ok(facts.clone()), Ok(database()), expected(2)).await;
    let checks = examined(Ok(facts), Ok(database()), only_checks).await;

    assert_eq!(the_only(&declares, CheckResult::Error).check, "queue q");
    assert_eq!((checks.errors, checks.unknown), (0, 2), "{checks:#?}");
}

#[tokio::test]
async fn commands_without_any_consumer_are_an_error_and_an_idle_queue_a_warning() {
    let unused = |ready| {
        with_broker(move |facts| {
            facts.queues = Ok(vec![
                queue(QueueRole::Commands, "0of2", ready, 0),
                queue(QueueRole::Commands, "1of2", 0, 0),
            ]);
        })
    };

    assert!(the_only(&unused(7).await, CheckResult::Error).detail.contains("7 messages"));
    assert!(the_only(&unused(0).await, CheckResult::Warning).detail.contains("no consumer"));
}

#[tokio::test]
async fn a_single_partition_without_consumer_is_named() {
    let report = with_broker(|facts| {
        let queues = facts.queues.as_mut().unwrap();
        queues[1] = queue(QueueRole::Commands, "orders.commands.1of2", 5, 0);
    })
    .await;

    let finding = the_only(&report, CheckResult::Error);
    assert_eq!(finding.check, "queue orders.commands.1of2");
    assert!(finding.detail.contains("5 messages"), "{finding:?}");
}

#[tokio::test]
async fn a_consumer_of_a_retry_queue_is_an_error() {
    let report = with_broker(|facts| {
        facts.queues.as_mut().unwrap().push(queue(QueueRole::Retries, "retry.2", 0, 1));
    })
    .await;

    assert_eq!(the_only(&report, CheckResult::Error).check, "queue retry.2");
}

#[tokio::test]
async fn a_refused_permission_is_named_with_its_resource() {
    let report = with_broker(|facts| {
        facts.permissions.as_mut().unwrap()[0].refused = Some("ACCESS_REFUSED - write".to_owned());
    })
    .await;

    let finding = the_only(&report, CheckResult::Error);
    assert_eq!(finding.check, "write permission on exchange orders.events");
}

#[tokio::test]
async fn an_alarm_is_an_error() {
    let report = with_broker(|facts| facts.blocks_publishing = true).await;

    assert!(the_only(&report, CheckResult::Error).fix.as_ref().unwrap().contains("alarms"));
}

#[tokio::test]
async fn a_read_only_database_is_an_error_and_the_rest_is_examined() {
    let report = with_database(|facts| {
        facts.server.as_mut().unwrap().read_only = Some("no: the server is a standby".to_owned());
    })
    .await;

    assert!(the_only(&report, CheckResult::Error).detail.contains("standby"));
    assert!(report.findings.iter().any(|finding| finding.check == "dead letters"));
}

#[tokio::test]
async fn clocks_that_differ_by_seconds_are_a_warning() {
    for (offset, direction) in [(4_000, "4 s ahead of"), (-90_000, "90 s behind")] {
        let report = with_database(|facts| {
            facts.server.as_mut().unwrap().clock_offset = TimeDelta::milliseconds(offset);
        })
        .await;

        let finding = the_only(&report, CheckResult::Warning);
        assert!(finding.detail.contains(direction), "{finding:?}");
    }
}

#[tokio::test]
async fn tables_of_another_version_are_an_error_with_the_command() {
    let with_schema = |reason: &str| {
        let reason = reason.to_owned();
        with_database(move |facts| facts.schema = Err(reason))
    };

    let missing = with_schema("the database has no tables: run `order-worker migrate`").await;
    let too_new = with_schema("this program knows version 4: use a newer order-worker").await;

    let fix = |report| the_only(report, CheckResult::Error).fix.clone();
    assert_eq!(fix(&missing).as_deref(), Some("order-worker migrate"));
    assert_eq!(fix(&too_new).as_deref(), Some("use a newer order-worker"));
}

#[tokio::test]
async fn missing_privileges_are_listed() {
    let report = with_database(|facts| {
        let missing = ["insert on outbox".to_owned(), "usage on order_numbers".to_owned()];
        facts.server.as_mut().unwrap().missing_privileges = missing.into();
    })
    .await;

    let detail = &the_only(&report, CheckResult::Error).detail;
    assert_eq!(detail, "missing: insert on outbox, usage on order_numbers");
}

#[tokio::test]
async fn an_idle_or_absent_relay_is_a_warning_while_events_wait() {
    let idle = with_database(|facts| {
        let server = facts.server.as_mut().unwrap();
        server.relay.as_mut().unwrap().idle = Duration::from_mins(10);
    })
    .await;
    let absent = with_database(|facts| facts.server.as_mut().unwrap().relay = None).await;
    let nothing_to_do = with_database(|facts| {
        facts.server.as_mut().unwrap().relay = None;
        facts.backlog.as_mut().unwrap().outbox = OutboxBacklog { count: 0, oldest: None };
    })
    .await;

    let fix = the_only(&idle, CheckResult::Warning).fix.as_ref().unwrap();
    assert!(fix.contains("pg_terminate_backend(42)"), "{fix}");
    assert_eq!(the_only(&absent, CheckResult::Warning).check, "relay");
    assert_eq!(nothing_to_do.warnings, 0);
}

#[tokio::test]
async fn old_outbox_messages_and_old_dead_letters_are_warnings() {
    let outbox = with_database(|facts| {
        facts.backlog.as_mut().unwrap().outbox.oldest = Some(Duration::from_mins(3));
    })
    .await;
    let dead_letters = with_database(|facts| {
        let counts = vec![("missing_field".to_owned(), 3)];
        let oldest = Some(Duration::from_hours(8 * 24));
        facts.backlog.as_mut().unwrap().open_dead_letters =
            Some(OpenDeadLetters { counts, oldest });
    })
    .await;

    assert_eq!(the_only(&outbox, CheckResult::Warning).check, "outbox");
    let finding = the_only(&dead_letters, CheckResult::Warning);
    assert!(finding.detail.starts_with("3 open"), "{finding:?}");
}

#[test]
fn failed_readiness_checks_are_errors() {
    let ready = readiness([("database", None), ("broker", None)]);
    let paused = readiness([("database", Some("unavailable")), ("broker", None)]);

    assert_eq!((ready.len(), ready[0].result), (1, CheckResult::Ok));
    assert_eq!((paused.len(), paused[0].check.as_str()), (1, "worker: database"));
    assert_eq!(paused[0].result, CheckResult::Error);
}
