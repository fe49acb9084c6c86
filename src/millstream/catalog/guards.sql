-- What guards a scalar operation that can fail on a value; emit/lenient.py writes the calls.

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
create or replace function millstream.castable(value text, type text) returns boolean
language sql stable as $$ select pg_input_is_valid(value, type) $$;

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
