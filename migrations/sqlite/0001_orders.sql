-- Orders, what happened to them, and the two tables that make messages safe: the inbox
-- (handled_messages) and the outbox.
--
-- Amounts of money are whole cents, moments are whole microseconds since 1970 in UTC: SQLite has no
-- exact type for either.
--
-- There are no foreign keys between these tables on purpose: the unit of work writes an order, its
-- items and its history together, and a key would cost an index look-up for each row.

create table orders (
    -- The store's own name for the order, or a number that the worker assigned.
    order_id        text        primary key not null check (length(order_id) between 1 and 64),
    -- The customer as the store knew them when the order was placed: a snapshot.
    customer_id     text        not null check (length(customer_id) between 1 and 64),
    customer_name   text        not null,
    customer_email  text        not null,
    -- What the customer pays; may differ from the sum of the items.
    total           integer     not null check (total >= 0),
    -- 1 Received, 2 Processing, 3 Payment complete, 4 Shipping, 5 Completed, 6 Cancelled.
    status          integer     not null check (status between 1 and 6),
    created_at      integer     not null,
    last_updated    integer     not null,
    -- 1 for a new order, one more for each change.
    version         integer     not null check (version >= 1)
) strict;

-- A customer's orders: few rows, sorted after they are found.
create index orders_by_customer on orders (customer_id);
-- Orders in a status, newest first.
create index orders_by_status on orders (status, created_at desc);
-- Orders of a period. Rows are written in the order of created_at, so the index grows at its end.
create index orders_by_creation on orders (created_at);

create table order_items (
    order_id        text        not null,
    -- The place of the item in the order, from 1.
    line            integer     not null,
    product_id      text        not null,
    name            text        not null,
    quantity        integer     not null check (quantity > 0),
    price_per_unit  integer     not null check (price_per_unit >= 0),
    primary key (order_id, line)
) strict, without rowid;

create table order_history (
    order_id        text        not null,
    -- The order's version after the change.
    version         integer     not null,
    -- Null at placing.
    previous_status integer,
    status          integer     not null,
    changed_at      integer     not null,
    -- The command that caused the change, and its message id where it had one.
    command         text        not null,
    caused_by       text,
    reason          text,
    primary key (order_id, version)
) strict, without rowid;

-- The inbox: messages that are done with. A dead letter has no row here, or its replay would be
-- taken for a duplicate.
create table handled_messages (
    -- The publisher's name for its intent.
    message_id      text        primary key not null,
    -- The first 16 bytes of the SHA-256 of command name and body: tells a repeat from a reuse.
    body_hash       blob        not null,
    command         text        not null,
    order_id        text        not null,
    -- accepted, duplicate or rejected; with the rule that rejected.
    outcome         text        not null,
    code            text,
    handled_at      integer     not null
) strict, without rowid;

-- Messages to be published; a row leaves when the broker has confirmed its message. The key sorts
-- the messages of an order in the order in which they must be published.
create table outbox (
    order_id        text        not null,
    version         integer     not null,
    -- A UUID with hyphens and small letters, which sorts as its bytes do.
    event_id        text        not null,
    -- 1 OrderStatusChanged, 2 OrderCommandRejected, 3 reply.
    kind            integer     not null,
    -- For a reply: the name of the queue.
    routing_key     text        not null,
    correlation_id  text,
    traceparent     text,
    body            text        not null,
    -- The database's clock.
    committed_at    integer     not null default (cast(unixepoch('subsec') * 1000000 as integer)),
    primary key (order_id, version, event_id)
) strict;

-- The last number that an order without a name got: one row. The first is far above what a store
-- that names its orders itself begins with.
create table order_numbers (
    only_row        integer     primary key check (only_row = 1),
    last_number     integer     not null
) strict;

insert into order_numbers (only_row, last_number) values (1, 1000000);
