//! Within a major version, migrations only add to the tables: older programs use them at the same time,
//! and again after a rollback.

use std::collections::BTreeMap;
use std::fs;

use crate::docs::root;

/// Migrations with which a major version begins, such as `0009_split_names`. Only these may do more than
/// add, and must then refuse programs that do not know them.
const FIRST_OF_A_MAJOR_VERSION: [&str; 0] = [];

/// How a statement may begin. Everything else, such as `drop table`, `update` or `alter table … rename`,
/// may break a program that does not know of it.
const ADDITIONS: [&str; 5] =
    ["create table ", "create index ", "create sequence ", "drop index ", "comment on "];

/// Words in the definition of an added column with which older programs cannot insert rows, or which
/// existing rows may violate.
const STRICT_COLUMN: [&str; 4] = [" unique", " primary key", " references ", " check"];

#[test]
fn migrations_only_add_within_a_major_version() {
    let mut wrong = Vec::new();
    for (name, sql) in migrations() {
        let number: i64 = name.rsplit('/').next().unwrap()[..4].parse().unwrap();
        let others = not_additive(&sql);
        if FIRST_OF_A_MAJOR_VERSION.iter().any(|first| name.ends_with(first)) {
            if !refuses_older_programs(&sql, number) {
                wrong.push(format!("{name} does not insert {number} into schema_compatibility"));
            }
        } else {
            wrong.extend(others.into_iter().map(|statement| format!("{name}: {statement}")));
        }
    }

    assert!(wrong.is_empty(), "these do more than add:\n{}", wrong.join("\n"));
}

#[test]
fn the_first_of_each_database_states_which_programs_can_use_the_tables() {
    for folder in ["postgres", "sqlite"] {
        let all: Vec<_> =
            migrations().into_iter().filter(|(name, _)| name.starts_with(folder)).collect();
        assert!(all.len() >= 4, "the check is blind: {folder}");
        let states =
            all.iter().filter(|(_, sql)| sql.contains("create table schema_compatibility"));
        assert_eq!(states.count(), 1, "{folder}");
    }
}

#[test]
fn statements_that_older_programs_do_not_survive_are_found() {
    for statement in [
        "drop table orders",
        "DROP TABLE IF EXISTS orders",
        "alter table orders drop column total",
        "alter table orders rename column total to sum",
        "alter table orders rename to purchases",
        "alter table orders alter column total type bigint",
        "alter table orders alter total set not null",
        "alter table orders add column voucher text not null",
        "alter table orders add column voucher text unique",
        "alter table orders add column voucher text default 'x' check (voucher <> '')",
        "alter table orders add column voucher text references vouchers (code)",
        "alter table orders add column a text, drop column b",
        "alter table orders add constraint positive check (total > 0)",
        "create unique index orders_by_total on orders (total)",
        "update orders set status = 1",
        "delete from orders",
        "insert into orders select * from old_orders",
        "truncate outbox",
        "drop sequence order_numbers",
        "create trigger t before insert on orders for each row execute function f()",
        "create table a (b text); drop table orders",
        "-- only a comment; create table\n drop\n table orders",
        "create table \"a;b\" (c text default 'it''s; --'); drop table orders",
    ] {
        assert_eq!(not_additive(statement).len(), 1, "{statement}");
    }
}

#[test]
fn statements_that_only_add_are_accepted() {
    for statement in [
        "create table vouchers (code text primary key check (code <> ''), unique (code))",
        "CREATE INDEX orders_by_total\n    ON orders (total)",
        "create unique index only_one on vouchers (code); create table vouchers (code text)",
        "drop index orders_by_creation",
        "create sequence voucher_numbers",
        "alter table orders add column voucher text",
        "alter table orders add column a numeric(12, 2), add column b integer not null default (0)",
        "alter table orders add column if not exists note text -- not null\n",
        "create table vouchers (code text); insert into vouchers values ('; drop table orders')",
        "comment on table orders is 'one row each'",
    ] {
        assert_eq!(not_additive(statement), [""; 0], "{statement}");
    }
}

#[test]
fn the_first_migration_of_a_major_version_has_to_refuse_older_programs() {
    let refuses = |sql| refuses_older_programs(sql, 9);

    assert!(refuses(
        "drop table outbox; insert into schema_compatibility (minimum_version) values (9)"
    ));
    assert!(!refuses("drop table outbox"));
    assert!(!refuses(
        "drop table outbox; insert into schema_compatibility (minimum_version) values (8)"
    ));
}

/// All migrations, by folder and name.
fn migrations() -> BTreeMap<String, String> {
    let mut migrations = BTreeMap::new();
    for folder in ["postgres", "sqlite"] {
        for file in fs::read_dir(root().join("migrations").join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let sql = fs::read_to_string(&path).unwrap();
            migrations.insert(format!("{folder}/{name}"), sql);
        }
    }
    migrations
}

fn refuses_older_programs(sql: &str, number: i64) -> bool {
    let insert = format!("insert into schema_compatibility (minimum_version) values ({number})");
    statements(sql).contains(&insert)
}

/// The statements that may do more than add to the tables.
fn not_additive(sql: &str) -> Vec<String> {
    let statements = statements(sql);
    let created: Vec<String> = statements.iter().filter_map(|it| created_table(it)).collect();
    let is_additive = |statement: &String| {
        let of_created = |table: &str| created.iter().any(|created| created == table);
        let word = |n: usize| statement.split([' ', '(']).nth(n).unwrap_or_default();
        if statement.starts_with("create unique index ") {
            return of_created(word(5));
        }
        if statement.starts_with("insert into ") {
            return of_created(word(2));
        }
        if statement.starts_with("alter table ") {
            return of_created(word(2)) || adds_columns(statement);
        }
        ADDITIONS.iter().any(|addition| statement.starts_with(addition))
    };
    statements.iter().filter(|statement| !is_additive(statement)).cloned().collect()
}

fn created_table(statement: &str) -> Option<String> {
    let rest = statement.strip_prefix("create table ")?;
    Some(rest.split([' ', '(']).next().unwrap_or_default().to_owned())
}

/// Whether an `alter table` adds only columns that older programs need not know of.
fn adds_columns(statement: &str) -> bool {
    let statement = outside_parentheses(statement);
    let actions = statement.splitn(4, ' ').nth(3).unwrap_or_default();
    actions.split(',').map(str::trim).all(|action| {
        let is_strict = STRICT_COLUMN.iter().any(|words| action.contains(words));
        let needs_value = action.contains(" not null") && !action.contains(" default");
        action.starts_with("add column ") && !is_strict && !needs_value
    })
}

/// The statements in lower case, without comments and quoted text, each on one line.
fn statements(sql: &str) -> Vec<String> {
    let mut bare = String::new();
    // The end of the comment or the quoted text.
    let mut until = None;
    for c in sql.to_lowercase().chars() {
        match until {
            Some(end) if c == end => {
                until = None;
                bare.push(' ');
            }
            Some(_) => {}
            None if ['\'', '"'].contains(&c) => until = Some(c),
            None if c == '-' && bare.ends_with('-') => {
                bare.pop();
                until = Some('\n');
            }
            None => bare.push(c),
        }
    }
    assert!(!bare.contains("/*") && !bare.contains('$'), "this test cannot read: {sql}");
    let each = bare.split(';').map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
    each.filter(|statement| !statement.is_empty()).collect()
}

/// The text that is not in parentheses.
fn outside_parentheses(text: &str) -> String {
    let mut depth = 0_i32;
    let outside = text.chars().filter(|c| {
        depth += i32::from(*c == '(');
        let is_outside = depth == 0;
        depth -= i32::from(*c == ')');
        is_outside
    });
    outside.collect()
}
