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

-- Called by every source view after a statement, and heard by the worker when the transaction commits.
create or replace function millstream.wake() returns trigger
language plpgsql as $$ begin perform pg_notify('millstream_queue', ''); return null; end $$;

-- Wait until everything that was committed before the call is visible in the views.
create or replace procedure millstream.flush(timeout interval default '60 seconds')
language plpgsql security definer set search_path = pg_catalog as $$
declare
    waiting text[];
    still text[];
    queue text;
    last bigint;
    found boolean;
    mine boolean;
    deadline timestamptz := clock_timestamp() + timeout;
begin
    select last_value into last from millstream.queue_number;
    select coalesce(array_agg(s.detail ->> 'queue'), '{}') into waiting
    from millstream.state as s where s.kind = 'table';
    loop
        still := '{}';
        foreach queue in array waiting loop
            execute format(
                'select true, q.xmin::text = (pg_current_xact_id_if_assigned()::xid)::text from %s as q '
                'where q._seq <= $1 limit 1', queue) into found, mine using last;
            if found then
                if mine then
                    raise exception 'rows of this transaction wait in %', queue
                    using hint = 'commit before calling millstream.flush()';
                end if;
                still := still || queue;
            end if;
        end loop;
        waiting := still;
        exit when cardinality(waiting) = 0;
        if clock_timestamp() > deadline then
            raise exception 'the views did not catch up within %', timeout
            using hint = 'look at `millstream status`: the worker may be stopped or far behind';
        end if;
        perform pg_sleep(0.001);
    end loop;
end $$;
