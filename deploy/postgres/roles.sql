-- Creates the roles of the order worker and grants them the schema. Run it once, as a superuser, in the
-- database and the schema (search_path) that will contain the tables. It can be run again.
--
-- The roles have no password, so nobody can log in with one until you set it: \password orders_worker

do $$
declare
    name text;
begin
    foreach name in array array['orders_owner', 'orders_worker', 'orders_operator', 'orders_reader'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I login', name);
        end if;
    end loop;
    -- Up to PostgreSQL 14, every role may create tables in the schema public.
    execute format('revoke create on schema %I from public', current_schema());
    execute format('grant usage, create on schema %I to orders_owner', current_schema());
    execute format(
        'grant usage on schema %I to orders_worker, orders_operator, orders_reader', current_schema());
end
$$;
