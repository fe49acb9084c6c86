-- The engine's own tables and functions. Version 1; install.py applies migrate_*.sql to it.

create schema millstream;
create schema millstream_data;

create table millstream.setting (
    name text primary key,
    value text not null
);
insert into millstream.setting values ('version', '1'), ('clock', 'wall');

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

grant usage on schema millstream to public;
