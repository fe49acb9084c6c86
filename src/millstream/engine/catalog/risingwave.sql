-- Functions of RisingWave that PostgreSQL does not have; compiler/dialect/spelling.py writes the calls.

create or replace function millstream.array_min(list anyarray) returns anyelement
language sql immutable strict parallel safe
as $$ select x from unnest(list) as u (x) where x is not null order by x limit 1 $$;

create or replace function millstream.array_max(list anyarray) returns anyelement
language sql immutable strict parallel safe
as $$ select x from unnest(list) as u (x) where x is not null order by x desc limit 1 $$;

-- The first of equal elements stays, where it is.
create or replace function millstream.array_distinct(list anyarray) returns anyarray
language sql immutable strict parallel safe
as $$
    select coalesce(array_agg(x order by n), list)
    from (select distinct on (x) x, n from unnest(list) with ordinality as u (x, n) order by x, n) as d
$$;

create or replace function millstream.array_length(list anyarray) returns integer
language sql immutable strict parallel safe as $$ select coalesce(array_length(list, 1), 0) $$;

create or replace function millstream.array_sum(list smallint[]) returns bigint
language sql immutable strict parallel safe as $$ select sum(x) from unnest(list) as u (x) $$;

create or replace function millstream.array_sum(list integer[]) returns bigint
language sql immutable strict parallel safe as $$ select sum(x) from unnest(list) as u (x) $$;

create or replace function millstream.array_sum(list bigint[]) returns numeric
language sql immutable strict parallel safe as $$ select sum(x) from unnest(list) as u (x) $$;

create or replace function millstream.array_sum(list numeric[]) returns numeric
language sql immutable strict parallel safe as $$ select sum(x) from unnest(list) as u (x) $$;

create or replace function millstream.array_sum(list real[]) returns real
language sql immutable strict parallel safe as $$ select sum(x) from unnest(list) as u (x) $$;

create or replace function millstream.array_sum(list double precision[]) returns double precision
language sql immutable strict parallel safe as $$ select sum(x) from unnest(list) as u (x) $$;

create or replace function millstream.array_sum(list interval[]) returns interval
language sql immutable strict parallel safe as $$ select sum(x) from unnest(list) as u (x) $$;

create or replace function millstream.coth(angle double precision) returns double precision
language sql immutable strict parallel safe
return case when angle = 0 then 'NaN' else cosh(angle) / sinh(angle) end;

-- The elements of a JSON array; NULL, not an error, for anything else.
create or replace function millstream.jsonb_to_array(list jsonb) returns jsonb[]
language sql immutable strict parallel safe
as $$ select case when jsonb_typeof(list) = 'array' then array(select jsonb_array_elements(list)) end $$;

-- An IPv4 address of four numbers, as the number that it is.
create or replace function millstream.try_inet_aton(address text) returns bigint
language sql immutable strict parallel safe
as $$
    select case when address ~ '^[0-9]{1,9}(\.[0-9]{1,9}){3}$' and max(part::bigint) < 256 then
        sum(part::bigint * 256 ^ (4 - place))::bigint
    end
    from unnest(string_to_array(case when address ~ '^[0-9]{1,9}(\.[0-9]{1,9}){3}$' then address end, '.'))
        with ordinality as p (part, place)
$$;

create or replace function millstream.inet_ntoa(number bigint) returns text
language sql immutable strict parallel safe
return case when number between 0 and 4294967295 then host('0.0.0.0'::inet + number) end;
