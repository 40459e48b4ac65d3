-- Larger block ranges: 4 MiB each. Every full range asks the autovacuum for a summary; its list has
-- 256 places and is worked off once a minute, and each request that does not fit in is a line in the
-- server's log. Ranges of 128 KiB were too many for thousands of orders a second.

drop index orders_by_creation;
create index orders_by_creation
    on orders using brin (created_at) with (pages_per_range = 512, autosummarize = on);

drop index handled_messages_by_age;
create index handled_messages_by_age
    on handled_messages using brin (handled_at) with (pages_per_range = 512, autosummarize = on);

drop index order_history_by_age;
create index order_history_by_age
    on order_history using brin (changed_at) with (pages_per_range = 512, autosummarize = on);
