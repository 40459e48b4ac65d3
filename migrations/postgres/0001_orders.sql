-- Orders, what happened to them, and the two tables that make messages safe: the inbox
-- (handled_messages) and the outbox.
--
-- Identifiers are compared byte by byte (collate "C"): they belong to no language, and every database
-- sorts them alike.
--
-- There are no foreign keys between these tables on purpose: the unit of work writes an order, its
-- items and its history in one statement, and a key would cost an index look-up for each row.

create table orders (
    -- The store's own name for the order, or a number that the worker assigned.
    order_id        text collate "C"        primary key check (char_length(order_id) between 1 and 64),
    -- The customer as the store knew them when the order was placed: a snapshot.
    customer_id     text        not null check (char_length(customer_id) between 1 and 64),
    customer_name   text        not null,
    customer_email  text        not null,
    -- What the customer pays; may differ from the sum of the items.
    total           numeric(12, 2) not null check (total >= 0),
    -- 1 Received, 2 Processing, 3 Payment complete, 4 Shipping, 5 Completed, 6 Cancelled.
    status          smallint    not null check (status between 1 and 6),
    created_at      timestamptz not null,
    last_updated    timestamptz not null,
    -- 1 for a new order, one more for each change.
    version         integer     not null check (version >= 1)
);

-- A customer's orders: few rows, sorted after they are found.
create index orders_by_customer on orders (customer_id);
-- Orders in a status, newest first.
create index orders_by_status on orders (status, created_at desc);
-- Orders of a period. Rows are written in the order of created_at, so a block range index finds
-- them at almost no cost for each new order.
create index orders_by_creation on orders using brin (created_at) with (pages_per_range = 16, autosummarize = on);

create table order_items (
    order_id        text collate "C"        not null,
    -- The place of the item in the order, from 1.
    line            smallint    not null,
    product_id      text        not null,
    name            text        not null,
    quantity        integer     not null check (quantity > 0),
    price_per_unit  numeric(12, 2) not null check (price_per_unit >= 0),
    primary key (order_id, line)
);

create table order_history (
    order_id        text collate "C"        not null,
    -- The order's version after the change.
    version         integer     not null,
    -- Null at placing.
    previous_status smallint,
    status          smallint    not null,
    changed_at      timestamptz not null,
    -- The command that caused the change, and its message id where it had one.
    command         text        not null,
    caused_by       text,
    reason          text,
    primary key (order_id, version)
);

-- The inbox: messages that are done with. A dead letter has no row here, or its replay would be
-- taken for a duplicate.
create table handled_messages (
    -- The publisher's name for its intent.
    message_id      text collate "C" primary key,
    -- The first 16 bytes of the SHA-256 of command name and body: tells a repeat from a reuse.
    body_hash       bytea       not null,
    command         text        not null,
    order_id        text collate "C"        not null,
    -- accepted, duplicate or rejected; with the rule that rejected.
    outcome         text        not null,
    code            text,
    handled_at      timestamptz not null
);

-- Messages to be published; a row leaves when the broker has confirmed its message. The key sorts
-- the messages of an order in the order in which they must be published.
create table outbox (
    order_id        text collate "C"        not null,
    version         integer     not null,
    event_id        uuid        not null,
    -- 1 OrderStatusChanged, 2 OrderCommandRejected, 3 reply.
    kind            smallint    not null,
    -- For a reply: the name of the queue.
    routing_key     text        not null,
    correlation_id  text,
    traceparent     text,
    body            text        not null,
    -- The database's clock, so that the relay need not trust the workers' clocks.
    committed_at    timestamptz not null default now(),
    primary key (order_id, version, event_id)
) with (
    -- The table is empty most of the time and its rows live for milliseconds: clean up early.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000
);

-- Numbers for orders that come without a name. The first is far above what a store that names its
-- orders itself begins with.
create sequence order_numbers as bigint start 1000001;
