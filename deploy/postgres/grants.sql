-- Grants the rights on the tables. Run it as orders_owner after each `order-worker migrate`, with the
-- tables' schema as the search_path. It can be run again.

-- `run` with MIGRATE=false: commands, relay, dead letters, retention, console and API.
grant select on _sqlx_migrations, schema_compatibility to orders_worker;
grant select, insert, update on orders to orders_worker;
grant select, insert on order_items to orders_worker;
grant select, insert, delete on order_history, handled_messages to orders_worker;
-- Update, because published rows are locked before they are deleted.
grant select, insert, update, delete on outbox to orders_worker;
grant usage on sequence order_numbers to orders_worker;
grant select, insert, update, delete on dead_letters to orders_worker;
grant select, insert, delete on dead_letter_actions to orders_worker;
grant select, insert on email_disclosures to orders_worker;

-- `dead-letters`, also to edit, replay and discard. A dry run processes the command like a worker and
-- rolls back, so it needs a worker's rights on the orders.
grant select on _sqlx_migrations, schema_compatibility to orders_operator;
grant select, insert, update on orders to orders_operator;
grant select, insert on order_items, order_history, handled_messages to orders_operator;
grant select, insert, update, delete on outbox to orders_operator;
grant usage on sequence order_numbers to orders_operator;
grant select, insert, update on dead_letters to orders_operator;
grant select, insert on dead_letter_actions to orders_operator;

-- `orders`, `dead-letters list`, `show` and `export`, `healthcheck`. Orders and dead letters contain
-- names and e-mail addresses of customers.
grant select on _sqlx_migrations, schema_compatibility, orders, order_items, order_history, handled_messages
    to orders_reader;
grant select on dead_letters, dead_letter_actions to orders_reader;
