-- Who was shown what the console hides. Rows stay: nothing removes them, and the worker needs no
-- right to change or delete any.

create table email_disclosures (
    id              bigint      generated always as identity primary key,
    disclosed_at    timestamptz not null,
    -- The name of the token, or local where no token was needed.
    who             text        not null,
    -- The order whose customer's e-mail address was shown.
    order_id        text        not null
);

create index email_disclosures_by_order on email_disclosures (order_id, id);
