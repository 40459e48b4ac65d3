-- Dead letters as operators keep them, what was done with them, and how to find rows that are old
-- enough to go.
--
-- Counters are bigint although they stay small: the driver reads them as such, and beside a body
-- the bytes do not matter. Text never holds a NUL, which PostgreSQL cannot store: one is U+FFFD here.

create table dead_letters (
    id              bigint      generated always as identity primary key,
    -- The first 16 bytes of a SHA-256: the same for each copy of one dead letter that the broker
    -- hands out.
    key             bytea       not null unique,
    -- 1 open, 2 replaying, 3 replayed, 4 discarded.
    state           smallint    not null check (state between 1 and 4),
    -- The latest reason: its code, its text, and its text without what differs from message to
    -- message.
    code            text        not null,
    detail          text        not null,
    pattern         text        not null,
    -- The detail in small letters, for searching: what the database's own lower() does depends on
    -- its locale.
    detail_lowered  text        not null,
    -- What can be read of the message.
    command         text,
    order_id        text,
    customer_id     text,
    -- Two of the properties, for searching.
    message_id      text,
    app_id          text,
    -- Where the publisher sent the message.
    exchange        text        not null,
    routing_key     text        not null,
    -- All properties and headers, as JSON of which nothing is lost.
    properties      text        not null,
    -- The body of the present revision, and the one that came, where it has been edited since.
    body            bytea       not null,
    original_body   bytea,
    -- The key of the dead letter whose replay came as a letter of its own, and which of its replays.
    replay_of       bytea,
    replay          bigint,
    -- 1 as it came; one more for each edit.
    revision        bigint      not null default 1,
    -- Attempts at the message before it failed for the last time.
    attempts        bigint      not null,
    -- 1, and 1 more for each replay that failed.
    failures        bigint      not null default 1,
    replays         bigint      not null default 0,
    -- The keys of the replays that came back, 16 bytes each: handed out again they change nothing.
    failed_replays  bytea       not null default '',
    first_failed_at timestamptz not null,
    last_failed_at  timestamptz not null,
    -- The last change by anybody; retention counts from here.
    changed_at      timestamptz not null,
    collected_at    timestamptz not null
);

-- Those in a state, and all of them, the one that failed last first.
create index dead_letters_by_state on dead_letters (state, last_failed_at);
create index dead_letters_by_failure on dead_letters (last_failed_at);
-- Those that retention takes.
create index dead_letters_by_change on dead_letters (changed_at);
-- Whether a handled message is one of them. A hash takes ids of any length.
create index dead_letters_by_message on dead_letters using hash (message_id);

-- What people and programs did with dead letters. The rows go with their dead letter.
create table dead_letter_actions (
    id              bigint      generated always as identity primary key,
    dead_letter_id  bigint      not null,
    done_at         timestamptz not null,
    who             text        not null,
    -- replay, edit, discard or restore.
    what            text        not null,
    why             text,
    -- What came of it.
    verdict         text        not null
);

create index dead_letter_actions_by_letter on dead_letter_actions (dead_letter_id, id);

-- Rows that are old enough to go. Both tables grow in the order of these moments, so a block range
-- index finds the old ones at almost no cost for each new row.
create index handled_messages_by_age on handled_messages
    using brin (handled_at) with (pages_per_range = 16, autosummarize = on);
create index order_history_by_age on order_history
    using brin (changed_at) with (pages_per_range = 16, autosummarize = on);
