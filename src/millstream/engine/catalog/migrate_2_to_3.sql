-- Change feeds: models whose changes are kept for watchers, and what is kept.
create table millstream.feed (
    schema_name text not null,
    name text not null,
    state text, -- the version whose changes were last kept; null while nothing is deployed under the name
    since bigint not null, -- every change after this tick is kept
    keep interval not null, -- how long a change is kept, and the feed itself after its last reader
    read_at timestamptz not null default clock_timestamp(), -- when a watcher was last there
    primary key (schema_name, name)
);

create table millstream.feed_change (
    position bigint generated always as identity primary key,
    schema_name text not null,
    name text not null,
    tick bigint not null,
    now timestamptz not null, -- the engine's clock
    kept_at timestamptz not null default transaction_timestamp(),
    weight integer not null, -- how many times the row was added, or taken away if negative
    content json not null, -- the row, its columns in the view's order
    foreign key (schema_name, name) references millstream.feed on delete cascade
);
create index on millstream.feed_change (schema_name, name, tick, position);
create index on millstream.feed_change (schema_name, name, kept_at);

-- A number that every change of the feeds raises: the worker looks at it with the tick's number, so that a database
-- that nobody watches pays nothing.
alter table millstream.clock add column feeds bigint not null default 0;
