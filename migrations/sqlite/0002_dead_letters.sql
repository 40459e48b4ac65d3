-- Dead letters as operators keep them, and what was done with them.
--
-- Moments are whole microseconds since 1970 in UTC. Text never holds a NUL, at which SQLite's
-- functions would stop: one is U+FFFD here.
--
-- handled_messages and order_history get no index for rows that are old enough to go: it would cost
-- every message an entry. They are looked for on a connection that reads, which holds up no writer.

create table dead_letters (
    -- Never given again: an id that somebody wrote down names one dead letter for ever.
    id              integer     primary key autoincrement,
    -- The first 16 bytes of a SHA-256: the same for each copy of one dead letter that the broker
    -- hands out.
    key             blob        not null unique,
    -- 1 open, 2 replaying, 3 replayed, 4 discarded.
    state           integer     not null check (state between 1 and 4),
    -- The latest reason: its code, its text, and its text without what differs from message to
    -- message.
    code            text        not null,
    detail          text        not null,
    pattern         text        not null,
    -- The detail in small letters, for searching: SQLite's own lower() knows only ASCII.
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
    body            blob        not null,
    original_body   blob,
    -- The key of the dead letter whose replay came as a letter of its own, and which of its replays.
    replay_of       blob,
    replay          integer,
    -- 1 as it came; one more for each edit.
    revision        integer     not null default 1,
    -- Attempts at the message before it failed for the last time.
    attempts        integer     not null,
    -- 1, and 1 more for each replay that failed.
    failures        integer     not null default 1,
    replays         integer     not null default 0,
    -- The keys of the replays that came back, 16 bytes each: handed out again they change nothing.
    failed_replays  blob        not null default x'',
    first_failed_at integer     not null,
    last_failed_at  integer     not null,
    -- The last change by anybody; retention counts from here.
    changed_at      integer     not null,
    collected_at    integer     not null
) strict;

-- Those in a state, and all of them, the one that failed last first.
create index dead_letters_by_state on dead_letters (state, last_failed_at);
create index dead_letters_by_failure on dead_letters (last_failed_at);
-- Those that retention takes.
create index dead_letters_by_change on dead_letters (changed_at);
-- Whether a handled message is one of them.
create index dead_letters_by_message on dead_letters (message_id);

-- What people and programs did with dead letters. The rows go with their dead letter.
create table dead_letter_actions (
    id              integer     primary key,
    dead_letter_id  integer     not null,
    done_at         integer     not null,
    who             text        not null,
    -- replay, edit, discard or restore.
    what            text        not null,
    why             text,
    -- What came of it.
    verdict         text        not null
) strict;

create index dead_letter_actions_by_letter on dead_letter_actions (dead_letter_id, id);
