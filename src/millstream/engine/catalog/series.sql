-- What guards generate_series; compiler/postgres/elements.py writes the calls.

-- series_ends(start, stop, step): false where the series would fail (a step of zero, a bound that is no number) or would
-- have more elements than one row may make. NULL for NULL. PostgreSQL picks the body as it picks that of generate_series.
create or replace function millstream.series_ends(start numeric, stop numeric, step numeric) returns boolean
language sql immutable as $$
    select case
        when step = 0 or 'NaN' in (start, stop, step) or 'Infinity' in (abs(start), abs(stop), abs(step)) then false
        else trunc((stop - start) / step) < 100000
    end
$$;

create or replace function millstream.series_ends(start numeric, stop numeric) returns boolean
language sql immutable as $$ select millstream.series_ends(start, stop, 1::numeric) $$;

create or replace function millstream.series_ends(start bigint, stop bigint, step bigint) returns boolean
language sql immutable as $$
    select case when step = 0 then false else (stop::numeric - start) / step < 100000 end
$$;

create or replace function millstream.series_ends(start bigint, stop bigint) returns boolean
language sql immutable as $$ select stop::numeric - start < 100000 $$;

create or replace function millstream.series_ends(start integer, stop integer, step integer) returns boolean
language sql immutable as $$
    select case when step = 0 then false else (stop::bigint - start) / step < 100000 end
$$;

create or replace function millstream.series_ends(start integer, stop integer) returns boolean
language sql immutable as $$ select stop::bigint - start < 100000 $$;

create or replace function millstream.series_ends(start timestamp, stop timestamp, step interval) returns boolean
language sql stable as $$
    select case
        when not (isfinite(start) and isfinite(stop) and isfinite(step)) then false
        else coalesce(extract(epoch from stop - start) / nullif(extract(epoch from step), 0) < 100000, false)
    end
$$;

create or replace function millstream.series_ends(start timestamptz, stop timestamptz, step interval) returns boolean
language sql stable as $$
    select case
        when not (isfinite(start) and isfinite(stop) and isfinite(step)) then false
        else coalesce(extract(epoch from stop - start) / nullif(extract(epoch from step), 0) < 100000, false)
    end
$$;
