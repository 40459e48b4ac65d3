//! The SQL statements, in the dialect that both databases understand. States are 1 open, 2
//! replaying, 3 replayed, 4 discarded.

/// The columns that [`dead_letter_record`](super::rows::dead_letter_record) reads.
macro_rules! columns {
    () => {
        "id, key, cast(state as bigint) as state, code, detail, pattern, command, order_id,
         customer_id, exchange, routing_key, properties, body, original_body, replay_of, replay,
         revision, attempts, failures, replays, first_failed_at, last_failed_at, changed_at"
    };
}

/// The columns that [`dead_letter_summary`](super::rows::dead_letter_summary) reads.
macro_rules! summary_columns {
    () => {
        "id, cast(state as bigint) as state, code, detail, pattern, command, order_id, customer_id,
         message_id, app_id, revision, attempts, failures, replays, first_failed_at,
         last_failed_at, changed_at"
    };
}

/// A filter, with the parameters `$1` to `$10`.
macro_rules! matching {
    () => {
        " from dead_letters
          where ($1 is null or state = $1)
            and ($2 is null or code = $2)
            and ($3 is null or coalesce(command, '') = $3)
            and ($4 is null or order_id = $4)
            and ($5 is null or customer_id = $5)
            and ($6 is null or detail_lowered like $6 escape '\\')
            and ($7 is null or app_id = $7)
            and ($8 is null or pattern = $8)
            and ($9 is null or last_failed_at <= $9)
            and ($10 is null or last_failed_at >= $10)"
    };
}

pub const DEAD_LETTERS: &str = concat!(
    "select ",
    summary_columns!(),
    matching!(),
    " and ($11 is null or (last_failed_at, id) < ($11, $12))
      order by last_failed_at desc, id desc limit $13"
);

pub const DEAD_LETTER_IDS: &str = concat!("select id", matching!(), " order by id limit $11");

pub const DEAD_LETTER_GROUPS: &str = concat!(
    "select code, command, pattern, count(*) as letters, min(first_failed_at) as first_failed_at,
            max(last_failed_at) as last_failed_at, max(id) as example",
    matching!(),
    " group by code, command, pattern
      order by count(*) desc, max(last_failed_at) desc, max(id) desc limit $11"
);

pub const DEAD_LETTER_COUNTS: &str = concat!(
    "select cast(state as bigint) as state, code, count(*) as letters",
    matching!(),
    " group by state, code order by count(*) desc, state, code limit $11"
);

pub const DEAD_LETTER: &str = concat!("select ", columns!(), " from dead_letters where id = $1");

pub const DEAD_LETTER_OF_MESSAGE: &str = concat!(
    "select ",
    columns!(),
    " from dead_letters where message_id = $1 order by id desc limit 1"
);

pub const ACTIONS: &str = "
    select done_at, who, what, why, verdict from dead_letter_actions
    where dead_letter_id = $1 order by id";

pub const INSERT_ACTION: &str = "
    insert into dead_letter_actions (dead_letter_id, done_at, who, what, why, verdict)
    values ($1, $2, $3, $4, $5, $6)";

/// Changes nothing, but locks the row, so that it is not pruned meanwhile.
pub const LOCK: &str = "update dead_letters set state = state where id = $1";

pub const INSERT: &str = "
    insert into dead_letters (
        key, state, code, detail, pattern, detail_lowered, command, order_id, customer_id,
        message_id, app_id, exchange, routing_key, properties, body, replay_of, replay, attempts,
        first_failed_at, last_failed_at, changed_at, collected_at)
    values ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
            $18, $18, $19, $19)
    on conflict (key) do nothing";

/// Changes nothing, but locks the row: SQLite does not support `for update`.
pub const LOCK_REPLAYED: &str = "
    update dead_letters set replays = replays where key = $1
    returning id, cast(state as bigint) as state, replays, body, failed_replays";

pub const REOPEN: &str = "
    update dead_letters
    set state = 1, failures = failures + 1, code = $2, detail = $3, pattern = $4,
        detail_lowered = $5, attempts = $6, last_failed_at = $7, changed_at = $8,
        failed_replays = $9
    where id = $1";

pub const RECORD_FAILED_REPLAY: &str = "update dead_letters set failed_replays = $2 where id = $1";

/// Claims an open dead letter, or takes over an abandoned replay. Either gets the next replay
/// number, so that a late result of the abandoned replay has no effect. The limit on replays does
/// not apply to a takeover: otherwise the dead letter would stay in state replaying forever.
pub const CLAIM: &str = concat!(
    "update dead_letters set state = 2, replays = replays + 1, changed_at = $4
     where id = $1
       and (state = 1 and replays < $2 or state = 2 and changed_at < $3)
     returning ",
    columns!()
);

pub const CONFIRM_REPLAY: &str = "
    update dead_letters set state = 3, changed_at = $3
    where id = $1 and state = 2 and replays = $2";

pub const UNDO_REPLAY: &str = "
    update dead_letters set state = 1, replays = replays - 1, changed_at = $3
    where id = $1 and state = 2 and replays = $2";

/// Without a new reason, the old one stays.
pub const REVISE: &str = "
    update dead_letters
    set original_body = coalesce(original_body, body), body = $3, revision = revision + 1,
        command = $4, order_id = $5, customer_id = $6, code = coalesce($7, code),
        detail = coalesce($8, detail), pattern = coalesce($9, pattern),
        detail_lowered = coalesce($10, detail_lowered), changed_at = $11
    where id = $1 and state = 1 and revision = $2";

pub const DISCARD: &str =
    "update dead_letters set state = 4, changed_at = $2 where id = $1 and state = 1";

pub const RESTORE: &str =
    "update dead_letters set state = 1, changed_at = $2 where id = $1 and state in (3, 4)";
