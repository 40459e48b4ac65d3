//! Fills the tables with orders before a run.

use sqlx::AssertSqlSafe;

use crate::Failure;
use crate::bench_env::BenchEnv;

/// Items of each order that is inserted here.
pub const ITEMS_PER_ORDER: usize = 3;

/// Orders as the worker writes them: in the order of their numbers, with random message ids.
const FILL: &str = "
insert into orders (order_id, customer_id, customer_name, customer_email, total, status,
                    created_at, last_updated, version)
select n::text, c::text, 'Customer No. ' || c, 'customer' || c || '@example.com', 59.97, 1,
       moment, moment, 1
from numbers;
insert into order_items (order_id, line, product_id, name, quantity, price_per_unit)
select n::text, line, p::text, 'Game No. ' || p || ': The Return', 1, 19.99
from numbers, generate_series(1, 3) as line, lateral (select (n * line) % 500 + 1 as p) as product;
insert into order_history (order_id, version, previous_status, status, changed_at, command,
                           caused_by, reason)
select n::text, 1, null, 1, moment, 'PlaceOrder', message_id, null from numbers;
insert into handled_messages (message_id, body_hash, command, order_id, outcome, code, handled_at)
select message_id, decode(md5(n::text), 'hex'), 'PlaceOrder', n::text, 'accepted', null, moment
from numbers;
drop table numbers";

const TABLES: [&str; 5] = ["orders", "order_items", "order_history", "handled_messages", "outbox"];

/// Inserts orders numbered from 1 into empty tables, then vacuums and analyzes, as an idle database
/// does.
pub async fn fill(env: &BenchEnv<'_>, orders: usize) -> Result<(), Failure> {
    if orders == 0 {
        return Ok(());
    }
    let numbers = format!(
        "create unlogged table numbers as
         select n, n % 20000 + 1 as c, md5('message ' || n)::uuid::text as message_id,
                now() - interval '1 millisecond' * ({orders} - n) as moment
         from generate_series(1, {orders}) as n;"
    );
    env.execute(&(numbers + FILL)).await?;
    let mut session = env.session().await?;
    for table in TABLES {
        let statement = AssertSqlSafe(format!("vacuum (analyze) {table}"));
        sqlx::raw_sql(statement).execute(&mut session).await?;
    }
    Ok(())
}
