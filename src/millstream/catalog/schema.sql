-- The engine's own tables and functions. Version 1.

create schema millstream;
create schema millstream_data;

create table millstream.setting (
    name text primary key,
    value text not null
);
insert into millstream.setting values ('version', '1'), ('clock', 'wall'), ('event_time', 'occurred_at');

-- One row: the last finished tick and its clock, and a number that every deploy raises.
create table millstream.clock (
    tick bigint not null,
    now timestamptz not null,
    epoch bigint not null
);
insert into millstream.clock values (0, '-infinity', 0);

-- What is deployed under which name.
create table millstream.relation (
    schema_name text not null,
    name text not null,
    kind text not null check (kind in ('table', 'materialized_view', 'view', 'function', 'sink')),
    state text,
    definition text not null,
    path text,
    deployed_at timestamptz not null default clock_timestamp(),
    primary key (schema_name, name)
);

-- What is stored: a source table or a version of a materialized view, kept while anything reads it.
create table millstream.state (
    name text primary key,
    ordinal bigint generated always as identity,
    schema_name text not null,
    relation_name text not null,
    kind text not null check (kind in ('table', 'materialized_view')),
    definition text not null,
    path text,
    reads jsonb not null default '{}',
    tables text[] not null default '{}',
    detail jsonb not null default '{}'
);

create table millstream.tick_log (
    tick bigint primary key,
    now timestamptz not null,
    committed_at timestamptz not null default clock_timestamp(),
    milliseconds double precision not null,
    taken jsonb not null
);

create unlogged table millstream.node_stats (
    node text primary key,
    ticks bigint not null,
    rows bigint not null,
    milliseconds double precision not null,
    recent_milliseconds double precision[] not null default '{}'
);

-- Rows that made a tick fail, with the error; and Python calls that failed.
create table millstream.dead_row (
    relation text not null,
    tick bigint not null,
    error text not null,
    payload jsonb,
    at timestamptz not null default clock_timestamp()
);

create sequence millstream.queue_number cache 1;

create function millstream.now() returns timestamptz
language sql stable parallel safe
return current_setting('millstream.now')::timestamptz;

create function millstream.last_now() returns timestamptz
language sql stable parallel safe
return current_setting('millstream.last_now')::timestamptz;

-- now() for plain views: the last tick's reading on the event clock, the wall clock otherwise.
create function millstream.read_now() returns timestamptz
language sql stable security definer set search_path = pg_catalog
return (
    select case when s.value = 'event' then c.now else now() end
    from millstream.setting as s cross join millstream.clock as c where s.name = 'clock'
);

-- Called by every source view after a statement, and heard by the worker when the transaction commits.
create function millstream.wake() returns trigger
language plpgsql as $$ begin perform pg_notify('millstream_queue', ''); return null; end $$;

-- Wait until everything that was committed before the call is visible in the views.
create procedure millstream.flush(timeout interval default '60 seconds')
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

grant usage on schema millstream to public;
