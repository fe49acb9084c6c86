-- The first and the last value that is not NULL: what first_value and last_value IGNORE NULLS are over a window.
-- PostgreSQL calls a strict function for values that are not NULL alone, and takes the first of them as it is.

create or replace function millstream.later(earlier anyelement, later anyelement) returns anyelement
language sql immutable strict parallel safe as $$ select later $$;

create or replace aggregate millstream.first_known(anyelement) (
    sfunc = pg_catalog.any_value_transfn, stype = anyelement
);

create or replace aggregate millstream.last_known(anyelement) (
    sfunc = millstream.later, stype = anyelement
);
