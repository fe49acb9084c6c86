-- The engine's functions. Run again whenever this file changes, so everything here replaces.

create or replace function millstream.now() returns timestamptz
language sql stable parallel safe
return current_setting('millstream.now')::timestamptz;

create or replace function millstream.last_now() returns timestamptz
language sql stable parallel safe
return current_setting('millstream.last_now')::timestamptz;

-- now() for plain views: the last tick's reading on the event clock, the wall clock otherwise.
create or replace function millstream.read_now() returns timestamptz
language sql stable security definer set search_path = pg_catalog
return (
    select case when s.value = 'event' then c.now else now() end
    from millstream.setting as s cross join millstream.clock as c where s.name = 'clock'
);

-- Wait for the turn, which the transaction keeps; then tell how things stand, as of then.
create or replace function millstream.enter_tick(turn bigint, out tick bigint, out epoch bigint, out feeds bigint)
language plpgsql as $$
begin
    perform pg_advisory_xact_lock(turn);
    select c.tick, c.epoch, c.feeds into tick, epoch, feeds from millstream.clock as c;
end $$;

-- Tell whether an INSERT says itself what to do with a key that is there: it has ON CONFLICT, or is part of a MERGE.
create or replace function millstream.settles_itself(statement text) returns boolean
language plpgsql stable as $$
declare
    prepared text;
begin
    prepared := pg_catalog.substring(statement, '(?i)^\s*execute\s+("(?:[^"]|"")+"|\w+)');
    if prepared is not null then
        select p.statement into statement from pg_catalog.pg_prepared_statements as p
        where pg_catalog.quote_ident(p.name) = prepared or p.name = pg_catalog.lower(prepared);
    end if;
    if statement !~* 'conflict|merge' then
        return false;
    end if;
    statement := pg_catalog.regexp_replace(
        statement, $quoted$'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|[$](\w*)[$].*?[$]\1[$]$quoted$, ' ', 'g');
    return statement ~* '\mon\s+conflict\M|\mmerge\s+into\M';
end $$;

-- Before an INSERT into a source with a key. What runs is the innermost statement around the trigger, or the client's.
create or replace function millstream.begin_insertion() returns trigger
language plpgsql as $$
declare
    context text;
    statement text;
begin
    get diagnostics context = pg_context;
    statement := pg_catalog.substring(context, E'^[^\n]*\nSQL statement "(.*?)"\n(?:PL/pgSQL|SQL) function ');
    if statement is null then
        statement := pg_catalog.substring(context, E'^[^\n]*\nSQL statement "(.*)"$');
    end if;
    perform
        pg_catalog.set_config(
            'millstream.settles',
            case
                when millstream.settles_itself(coalesce(statement, pg_catalog.current_query())) then 'itself' else 'table'
            end,
            true
        ),
        -- how many keys this transaction may still lock: the server has room for so many locks of each transaction, and
        -- what a client has set itself gives a statement no more
        pg_catalog.set_config(
            'millstream.locks',
            least(
                pg_catalog.substring(pg_catalog.current_setting('millstream.locks', true), '^[0-9]{1,9}$')::integer,
                2 * pg_catalog.current_setting('max_locks_per_transaction')::integer,
                128
            )::text,
            true
        );
    return null;
end $$;

-- Let the event clock read a moment, also one that has passed: the next tick shows what the views would show then.
create or replace procedure millstream.set_clock(reading timestamptz)
language plpgsql as $$
begin
    if (select s.value from millstream.setting as s where s.name = 'clock') <> 'event' then
        raise exception 'the wall clock cannot be set' using hint = 'only the event clock can: millstream up --clock event';
    end if;
    if reading is null or reading < '0001-01-02 00:00+00' or reading >= '9999-12-31 00:00+00' then
        raise exception 'the clock needs a moment' using hint = 'call millstream.set_clock(timestamptz ''2026-01-31 12:00+00'')';
    end if;
    update millstream.clock set set_to = reading;
    perform pg_notify('millstream_queue', 'clock');
end $$;

-- Wait until no table of a list has a row up to a number: rows of `column` up to `bounds`, table by table.
create or replace procedure millstream.wait_for(
    tables text[], number_column text, bounds bigint[], since timestamptz, timeout interval
)
language plpgsql as $$
declare
    place integer;
    found boolean;
    mine boolean;
    waits boolean;
begin
    loop
        waits := false;
        for place in 1 .. coalesce(cardinality(tables), 0) loop
            execute format(
                'select true, q.xmin::text = (pg_current_xact_id_if_assigned()::xid)::text from %s as q '
                'where q.%I <= $1 limit 1', tables[place], number_column) into found, mine using bounds[place];
            if found and mine then
                raise exception 'rows of this transaction wait in %', tables[place]
                using hint = 'commit before calling millstream.flush()';
            end if;
            waits := waits or coalesce(found, false);
        end loop;
        exit when not waits;
        if clock_timestamp() > since + timeout then
            raise exception 'the views did not catch up within %', timeout
            using hint = 'look at `millstream status`: the worker may be stopped or far behind';
        end if;
        perform pg_sleep(0.001);
    end loop;
end $$;

-- Wait until everything that was committed before the call is visible in the views, also what passes through sinks.
create or replace procedure millstream.flush(timeout interval default '60 seconds')
language plpgsql security definer set search_path = pg_catalog as $$
declare
    queues text[];
    pending text[];
    last bigint;
    bounds bigint[];
    bound bigint;
    name text;
    since timestamptz := clock_timestamp();
begin
    select coalesce(array_agg(s.detail ->> 'queue'), '{}') into queues
    from millstream.state as s where s.kind = 'table';
    select coalesce(array_agg(distinct s.detail ->> 'pending'), '{}') into pending
    from millstream.relation as r
    join millstream.state as s on s.name = case when r.kind = 'sink' then r.definition::jsonb ->> 'target' end;
    for level in 0 .. cardinality(pending) loop -- a sink may go into what another sink reads
        select last_value into last from millstream.queue_number;
        call millstream.wait_for(queues, 'seq$', array_fill(last, array[cardinality(queues)]), since, timeout);
        bounds := '{}';
        foreach name in array pending loop
            execute format('select coalesce(max(p.n$), 0) from %s as p', name) into bound;
            bounds := bounds || bound;
        end loop;
        exit when 0 = all (bounds);
        call millstream.wait_for(pending, 'n$', bounds, since, timeout);
    end loop;
end $$;
