//! The figures as Markdown tables: a pure function of the results, so that a test can compare the page
//! with the JSON file.
#![expect(clippy::float_arithmetic, reason = "shares and ratios")]

use std::fmt::Write;

use super::results::{
    Backlog, Cpu, Database, Growth, Latency, Memory, Percentiles, Results, Spread, Stage, Table,
};

/// All tables, each with its heading.
pub fn page(results: &Results) -> String {
    let sections = [
        Some(setting(results)),
        stages(results),
        full(results),
        variants(results),
        scaling(results),
        others(results),
        latencies(&results.latencies),
        results.idle.as_ref().map(idle),
        growth(&results.growth),
        results.memory.as_ref().map(memory),
        results.database.as_ref().map(database),
    ];
    sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn setting(results: &Results) -> String {
    let Results { machine, versions, conditions, .. } = results;
    let memory = machine.memory_gib.map_or(String::new(), |gib| format!(" {gib} GiB,"));
    let commit = versions.commit.as_ref().map_or(String::new(), |commit| format!(" ({commit})"));
    format!(
        "Measured on {}, all on one machine: {} cores of {},{memory} {}. order-worker {}{commit}, \
         RabbitMQ {}, PostgreSQL {} with `synchronous_commit={}`, durable quorum queues. {}\n",
        results.date.split('T').next().unwrap_or_default(),
        machine.cores,
        machine.cpu,
        machine.system,
        versions.order_worker,
        versions.rabbitmq.as_deref().unwrap_or("(version unknown)"),
        versions.postgresql,
        conditions.synchronous_commit,
        match conditions.rounds {
            1 => "One round.".to_owned(),
            rounds =>
                format!("Medians of {rounds} rounds in shuffled order, ranges in parentheses."),
        },
    )
}

fn stages(results: &Results) -> Option<String> {
    let rows: Vec<_> = results.stages.iter().map(stage).collect();
    let head = ["Stage", "What", "Messages/s", "CPU µs: client", "broker", "database", "sum"];
    let limit = match results.limit {
        Some(limit) => format!(
            "\nThe limit: {} cores / (c1 + c2 + c3) = **{} messages/s**.\n",
            results.machine.cores,
            thousands(limit)
        ),
        None => "\nThe limit: not measured (the servers' processes are not in /proc).\n".to_owned(),
    };
    section("The stages and the limit", &head, 2, &rows).map(|table| table + &limit)
}

fn stage(stage: &Stage) -> Vec<String> {
    [vec![stage.name.clone(), stage.what.clone(), spread(&stage.rate)], cpu(stage.cpu.as_ref())]
        .concat()
}

fn full(results: &Results) -> Option<String> {
    let backlogs = results.backlogs_in(Table::Full);
    let row = |backlog: &Backlog| {
        let figures = vec![
            backlog.name.clone(),
            spread(&backlog.rate),
            share_of_limit(results, backlog),
            mib(backlog.peak_memory),
        ];
        [figures, cpu(backlog.cpu.as_ref())].concat()
    };
    let head = [
        "Backlog",
        "Messages/s",
        "of the limit",
        "peak MiB",
        "CPU µs: worker",
        "broker",
        "database",
        "sum",
    ];
    let title = format!("A backlog of {}", thousands_of(results.conditions.messages));
    section(&title, &head, 1, &backlogs.map(row).collect::<Vec<_>>())
}

/// The limit is that of PlaceOrder; a backlog with other commands is compared with a PlaceOrder run.
fn share_of_limit(results: &Results, backlog: &Backlog) -> String {
    match (&backlog.against, results.limit) {
        (Some(against), _) => format!("{} of {against}", ratio(results, backlog)),
        (None, Some(limit)) => format!("{:.2}", backlog.rate.median / limit),
        (None, None) => not_measured(),
    }
}

fn variants(results: &Results) -> Option<String> {
    let row = |backlog: &Backlog| {
        let against = backlog.against.as_deref().unwrap_or_default();
        vec![
            backlog.name.clone(),
            backlog.what.clone(),
            spread(&backlog.rate),
            ratio(results, backlog),
            against.to_owned(),
        ]
    };
    let rows: Vec<_> = results.backlogs_in(Table::Variants).map(row).collect();
    section(
        "Variants: one thing changed",
        &["Worker", "What", "Messages/s", "Ratio", "relative to"],
        2,
        &rows,
    )
}

fn scaling(results: &Results) -> Option<String> {
    let row = |backlog: &Backlog| {
        let figures = vec![backlog.name.clone(), spread(&backlog.rate), ratio(results, backlog)];
        [figures, cpu(backlog.cpu.as_ref())].concat()
    };
    let rows: Vec<_> = results.backlogs_in(Table::Scaling).map(row).collect();
    let head = ["Workers", "Messages/s", "Ratio", "CPU µs: workers", "broker", "database", "sum"];
    section("Lanes and processes", &head, 1, &rows)
}

/// Workers of other stacks, and how many times faster the worker as shipped is.
fn others(results: &Results) -> Option<String> {
    let row = |backlog: &Backlog| {
        let figures =
            vec![backlog.name.clone(), spread(&backlog.rate), times_as_fast(results, backlog)];
        [figures, cpu(backlog.cpu.as_ref())].concat()
    };
    let rows: Vec<_> = results.backlogs_in(Table::Others).map(row).collect();
    let head =
        ["Worker", "Messages/s", "as shipped is", "CPU µs: worker", "broker", "database", "sum"];
    section("Other workers with the same guarantees", &head, 1, &rows)
}

fn times_as_fast(results: &Results, backlog: &Backlog) -> String {
    match against(results, backlog) {
        Some(shipped) => format!("{:.1} times as fast", shipped.rate.median / backlog.rate.median),
        None => String::new(),
    }
}

/// The run to compare with.
fn against<'r>(results: &'r Results, backlog: &Backlog) -> Option<&'r Backlog> {
    let against = backlog.against.as_ref()?;
    results.backlogs.iter().find(|other| other.name == *against)
}

/// Throughput relative to the run to compare with.
fn ratio(results: &Results, backlog: &Backlog) -> String {
    match against(results, backlog) {
        Some(other) => format!("{:.2}", backlog.rate.median / other.rate.median),
        None => String::new(),
    }
}

fn latencies(latencies: &[Latency]) -> Option<String> {
    let row = |latency: &Latency| {
        vec![
            format!("{} %", latency.load),
            thousands(latency.rate),
            thousands(latency.reached),
            three(&latency.sent_to_committed),
            three(&latency.committed_to_confirmed),
            three(&latency.sent_to_confirmed),
        ]
    };
    let head = [
        "Load",
        "sent/s",
        "confirmed/s",
        "sent → committed",
        "committed → confirmed",
        "sent → confirmed",
    ];
    let rows: Vec<_> = latencies.iter().map(row).collect();
    let table = section("Latency under load", &head, 0, &rows);
    table.map(|table| table + "\nMilliseconds: p50 / p99 / p99.9.\n")
}

fn idle(percentiles: &Percentiles) -> String {
    format!(
        "### One message on an idle worker\n\nFrom publishing it to receiving its event: \
         {} ms (p50 / p99 / p99.9).\n",
        three(percentiles)
    )
}

fn growth(growth: &[Growth]) -> Option<String> {
    let first = growth.first()?;
    let of_first = |size: &Growth| match (&size.cpu, &first.cpu) {
        (Some(cpu), Some(first)) => format!("{:.2}", cpu.sum() / first.sum()),
        _ => not_measured(),
    };
    let row = |size: &Growth| {
        let figures = vec![thousands_of(size.orders), spread(&size.rate), of_first(size)];
        [figures, cpu(size.cpu.as_ref())].concat()
    };
    let head = [
        "Orders before",
        "Messages/s",
        "CPU relative to the first",
        "CPU µs: worker",
        "broker",
        "database",
        "sum",
    ];
    let rows: Vec<_> = growth.iter().map(row).collect();
    section("Cost by table size", &head, 0, &rows)
}

fn memory(memory: &Memory) -> String {
    let Memory { idle, peak, after, after_ten_seconds } = memory;
    format!(
        "### Resident memory\n\nIdle {idle} MiB, under load at most {peak} MiB, right after it \
         {after} MiB, 10 s later {after_ten_seconds} MiB.\n"
    )
}

fn database(database: &Database) -> String {
    let Database { wal_bytes, commits, round_trips, bytes_sent } = database;
    format!(
        "### Database cost per order\n\n{} bytes of write-ahead log, {commits} commits, \
         {round_trips} round trips, {} bytes sent.\n",
        thousands(*wal_bytes),
        thousands(*bytes_sent)
    )
}

/// A table, unless it has no rows. The first `texts` columns are left-aligned, the others are figures.
fn section(title: &str, head: &[&str], texts: usize, rows: &[Vec<String>]) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let rule = (0..head.len()).map(|column| if column < texts { "---" } else { "---:" });
    let rule = rule.collect::<Vec<_>>().join("|");
    let mut table = format!("### {title}\n\n| {} |\n|{rule}|\n", head.join(" | "));
    for row in rows {
        // Writing to a text cannot fail.
        let _ = writeln!(table, "| {} |", row.join(" | "));
    }
    Some(table)
}

fn cpu(cpu: Option<&Cpu>) -> Vec<String> {
    match cpu {
        Some(cpu) => [cpu.client, cpu.broker, cpu.database, cpu.sum()]
            .map(|microseconds| format!("{microseconds:.1}"))
            .to_vec(),
        None => vec![not_measured(); 4],
    }
}

fn mib(mib: Option<f64>) -> String {
    mib.map_or_else(not_measured, |mib| format!("{mib:.1}"))
}

fn not_measured() -> String {
    "not measured".to_owned()
}

fn spread(spread: &Spread) -> String {
    let Spread { median, least, most } = spread;
    if least.total_cmp(most).is_eq() {
        return thousands(*median);
    }
    format!("{} ({}–{})", thousands(*median), thousands(*least), thousands(*most))
}

fn three(percentiles: &Percentiles) -> String {
    let Percentiles { p50, p99, p999 } = percentiles;
    format!("{p50:.1} / {p99:.1} / {p999:.1}")
}

/// Without decimals, with a comma between thousands.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

fn thousands_of(number: usize) -> String {
    thousands(f64::from(u32::try_from(number).unwrap_or(u32::MAX)))
}
