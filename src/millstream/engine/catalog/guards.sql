-- What guards a scalar operation that can fail on a value; compiler/postgres/lenient.py writes the calls.

-- Record a failure. Always true, so that it can stand behind a guard. Only ticks and builds record.
create or replace function millstream.failed(state text, expression text, message text, inputs jsonb) returns boolean
language plpgsql stable as $$
begin
    if current_setting('millstream.recording', true) = 'on' then
        perform millstream.record_failure(state, expression, message, inputs);
    end if;
    return true;
end $$;

-- castable(value, type): false where the cast would fail. PostgreSQL picks the body by the value's type and puts it in
-- the place of the call. NULL for NULL.
-- PostgreSQL reads 'now' and 'tomorrow' by the clock, so a row would be another one when it is taken away.
create or replace function millstream.castable(value text, type text) returns boolean
language sql stable as $$
    select pg_input_is_valid(value, type) and case
        when type like 'DATE%' or type like 'TIME%' then value !~* 'now|today|tomorrow|yesterday'
        else true
    end
$$;

create or replace function millstream.castable(value text[], type text) returns boolean
language sql stable as $$ select pg_input_is_valid(value::text, type) $$;

create or replace function millstream.castable(value varchar[], type text) returns boolean
language sql stable as $$ select pg_input_is_valid(value::text, type) $$;

create or replace function millstream.castable(value double precision, type text) returns boolean
language sql stable as $$
    select case type
        when 'SMALLINT' then abs(value + 0.5) < 32768
        when 'INT' then abs(value + 0.5) < 2147483648
        when 'BIGINT' then abs(value) < 9223372036854775808
        when 'REAL' then abs(value) between 1e-30 and 1e38 or value = 0 or pg_input_is_valid(value::text, type)
        else case when type like 'DECIMAL(%' then pg_input_is_valid(value::text, type) else true end
    end
$$;

create or replace function millstream.castable(value numeric, type text) returns boolean
language sql stable as $$
    select case type
        when 'SMALLINT' then abs(value + 0.5) < 32768
        when 'INT' then abs(value + 0.5) < 2147483648
        when 'BIGINT' then abs(value + 0.5) < 9223372036854775808
        when 'REAL' then abs(value) between 1e-30 and 1e38 or value = 0 or pg_input_is_valid(value::text, type)
        when 'DOUBLE PRECISION' then
            abs(value) between 1e-300 and 1e308 or value = 0 or pg_input_is_valid(value::text, type)
        else case when type like 'DECIMAL(%' then pg_input_is_valid(value::text, type) else true end
    end
$$;

create or replace function millstream.castable(value bigint, type text) returns boolean
language sql stable as $$
    select case type
        when 'SMALLINT' then abs(value::double precision + 0.5) < 32768
        when 'INT' then abs(value::double precision + 0.5) < 2147483648
        else case when type like 'DECIMAL(%' then pg_input_is_valid(value::text, type) else true end
    end
$$;

create or replace function millstream.castable(value jsonb, type text) returns boolean
language sql stable as $$
    select case
        when type in ('SMALLINT', 'INT', 'BIGINT', 'REAL', 'DOUBLE PRECISION') or type like 'DECIMAL%' then
            case jsonb_typeof(value)
                when 'number' then millstream.castable((value #>> '{}')::numeric, type)
                when 'null' then true
                else value is null
            end
        when type = 'BOOLEAN' then jsonb_typeof(value) in ('boolean', 'null')
        else true
    end
$$;

create or replace function millstream.castable(value anyelement, type text) returns boolean
language sql immutable as $$ select true $$;

-- exp() that leaves the range of double precision; PostgreSQL refuses results that are too small as well.
create or replace function millstream.has_exponential(value double precision) returns boolean
language sql immutable as $$ select value between -745.13 and 709.78 or abs(value) = 'Infinity' or value = 'NaN' $$;

create or replace function millstream.has_exponential(value numeric) returns boolean
language sql immutable as $$ select abs(value) < 5000 $$;

-- Functions whose failures no comparison tells beforehand: NULL where they fail.
create or replace function millstream.try_to_timestamp(value text, format text) returns timestamptz
language plpgsql stable as $$ begin return to_timestamp(value, format); exception when data_exception then return null; end $$;

create or replace function millstream.try_to_date(value text, format text) returns date
language plpgsql stable as $$ begin return to_date(value, format); exception when data_exception then return null; end $$;

create or replace function millstream.try_decode(value text, format text) returns bytea
language plpgsql immutable as $$ begin return decode(value, format); exception when data_exception then return null; end $$;

create or replace function millstream.try_make_date(year integer, month integer, day integer) returns date
language plpgsql immutable as $$ begin return make_date(year, month, day); exception when data_exception then return null; end $$;

create or replace function millstream.try_make_timestamp(
    year integer, month integer, day integer, hour integer, minute integer, second double precision
) returns timestamp
language plpgsql immutable as $$
begin return make_timestamp(year, month, day, hour, minute, second); exception when data_exception then return null; end $$;

-- How many values have how many decimals, as one number that adds and subtracts: 15 digits for each number of decimals.
create or replace function millstream.decimals_unit(decimals integer) returns numeric
language sql immutable as $$
    select case decimals
        when 0 then 1
        when 1 then 1e15
        when 2 then 1e30
        when 3 then 1e45
        when 4 then 1e60
        else ('1e' || 15 * least(decimals, 8000))::numeric
    end
$$;

create or replace function millstream.most_decimals(units numeric) returns integer
language sql immutable as $$ select (length(units::text) - 1) / 15 $$;

-- The parts of a finite interval, as PostgreSQL keeps them, and an interval of such parts.
create or replace function millstream.months_of(value interval) returns integer
language sql immutable as $$ select substr(interval_send(value), 13, 4)::integer $$;

create or replace function millstream.days_of(value interval) returns integer
language sql immutable as $$ select substr(interval_send(value), 9, 4)::integer $$;

create or replace function millstream.microseconds_of(value interval) returns bigint
language sql immutable as $$ select substr(interval_send(value), 1, 8)::bigint $$;

create or replace function millstream.interval_of(months numeric, days numeric, microseconds numeric) returns interval
language sql stable as $$ select format('%s months %s days %s us', months, days, microseconds)::interval $$;

-- How long a value of a type without bound is. It depends on the session as little as the text of such a value does.
create or replace function millstream.bytes_of(value anyelement) returns integer
language plpgsql immutable as $$ begin return octet_length(value::text); end $$;

-- Add up two counts of rows by the text of their key; {} is none.
create or replace function millstream.add_counts(one jsonb, other jsonb) returns jsonb
language sql immutable as $$
    select coalesce(jsonb_object_agg(c.key, c.rows), '{}')
    from (
        select u.key, sum(u.value::bigint)::bigint as rows
        from (select * from jsonb_each_text(one) union all select * from jsonb_each_text(other)) as u
        group by u.key
        having sum(u.value::bigint) <> 0
    ) as c
$$;

-- The least of the keys that rows have.
create or replace function millstream.least_key(counts jsonb) returns text[]
language sql immutable as $$ select min(k)::text[] from jsonb_object_keys(counts) as k $$;

-- A row as JSON; NULL where JSON cannot hold it.
create or replace function millstream.try_json(of_row record) returns text
language plpgsql stable as $$
begin return row_to_json(of_row)::text; exception when data_exception or program_limit_exceeded or internal_error then return null; end $$;

-- A row to keep among the dead rows; cut where it is too long or too deep to be written.
create or replace function millstream.as_payload(of_row record) returns jsonb
language plpgsql stable as $$
begin
    return to_jsonb(of_row);
exception when data_exception or program_limit_exceeded or internal_error then
    begin
        return jsonb_build_object('cut', left(of_row::text, 1000));
    exception when data_exception or program_limit_exceeded or internal_error then
        return '{"cut": null}';
    end;
end $$;
