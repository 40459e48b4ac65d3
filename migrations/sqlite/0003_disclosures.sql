-- Who was shown what the console hides. Rows stay: nothing removes them.
--
-- Moments are whole microseconds since 1970 in UTC.

create table email_disclosures (
    id              integer     primary key,
    disclosed_at    integer     not null,
    -- The name of the token, or local where no token was needed.
    who             text        not null,
    -- The order whose customer's e-mail address was shown.
    order_id        text        not null
) strict;

create index email_disclosures_by_order on email_disclosures (order_id, id);
