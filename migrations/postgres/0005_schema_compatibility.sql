-- The oldest program that can use the tables. A program refuses to start if it does not know the
-- highest schema version in here; the schema version of a program is that of its last migration.
--
-- Migrations only add to the tables, so they add no row here: programs that know fewer of them can
-- use the tables as well. A migration that programs before it cannot work with, which is allowed with a
-- new major version only, inserts its own version.

create table schema_compatibility (
    minimum_version bigint      primary key
);

insert into schema_compatibility (minimum_version) values (1);
