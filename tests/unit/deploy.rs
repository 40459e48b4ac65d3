//! The files of `deploy/` say what the program says.

use std::collections::BTreeSet;

use clap::Parser;
use order_worker::adapters::postgres::WORKER_PRIVILEGES;
use order_worker::bootstrap::topology;
use order_worker::entrypoints::cli::Program;
use serde_json::Value;

use crate::docs::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Sorted, because the order of entries means nothing.
fn entries(definitions: &Value, section: &str) -> Vec<String> {
    let entries = definitions[section].as_array().unwrap();
    let mut entries: Vec<_> = entries.iter().map(Value::to_string).collect();
    entries.sort();
    entries
}

#[test]
fn the_definitions_for_rabbitmq_are_the_topology_of_the_default_settings() {
    let file: Value = serde_json::from_str(&read("deploy/rabbitmq/definitions.json")).unwrap();
    let settings = Program::parse_from(["order-worker"]).settings;

    let declared = topology(&settings).definitions("orders");

    for section in ["exchanges", "queues", "bindings"] {
        assert!(!entries(&declared, section).is_empty());
        assert_eq!(
            entries(&file, section),
            entries(&declared, section),
            "copy {section} from: order-worker topology definitions --vhost orders"
        );
    }
}

#[test]
fn the_users_in_the_definitions_have_no_password() {
    let file: Value = serde_json::from_str(&read("deploy/rabbitmq/definitions.json")).unwrap();

    let users = file["users"].as_array().unwrap();

    assert!(!users.is_empty());
    assert!(users.iter().all(
        |user| user["password_hash"] == "" && user["tags"] == Value::from(Vec::<Value>::new())
    ));
}

#[test]
fn every_table_of_the_migrations_is_in_the_grants() {
    let grants = read("deploy/postgres/grants.sql");
    let words: Vec<&str> = grants.split(|it: char| !it.is_alphanumeric() && it != '_').collect();
    let folder = std::fs::read_dir(root().join("migrations/postgres")).unwrap();
    let migrations = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());

    let created: Vec<String> = migrations
        .flat_map(|sql| {
            let names = sql.lines().filter_map(|line| {
                let rest =
                    line.strip_prefix("create table ").or(line.strip_prefix("create sequence "));
                rest?.split([' ', '(']).next().map(str::to_owned)
            });
            names.collect::<Vec<_>>()
        })
        .collect();

    assert!(created.len() >= 9, "the check is blind: {created:?}");
    let missing: Vec<_> = created.iter().filter(|name| !words.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "deploy/postgres/grants.sql does not name {missing:?}");
}

/// So that the doctor finds what a worker lacks, and nothing else.
#[test]
fn the_doctor_expects_the_granted_privileges() {
    let grants = read("deploy/postgres/grants.sql").replace('\n', " ");
    let mut granted = BTreeSet::new();
    for grant in grants.split(';').filter_map(|statement| statement.split_once("grant ")) {
        let (privileges, rest) = grant.1.split_once(" on ").unwrap();
        let (tables, role) = rest.split_once(" to ").unwrap();
        if role != "orders_worker" || tables.starts_with("sequence ") {
            continue;
        }
        for table in tables.split(", ").filter(|table| !is_about_versions(table)) {
            granted.extend(privileges.split(", ").map(|it| (table.to_owned(), it.to_owned())));
        }
    }

    let expected: BTreeSet<_> = WORKER_PRIVILEGES
        .iter()
        .flat_map(|(table, privileges)| {
            privileges.iter().map(|it| ((*table).to_owned(), (*it).to_owned()))
        })
        .collect();

    assert_eq!(granted, expected);
}

fn is_about_versions(table: &str) -> bool {
    ["_sqlx_migrations", "schema_compatibility"].contains(&table)
}
