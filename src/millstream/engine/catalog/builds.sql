-- A build beside what runs, while ticks go on. Run again whenever this file changes, so tables are made where missing.

-- At most one row: whoever changes what is deployed has the place of deployments for itself, so a row that is found by
-- somebody who has that place is what a deployment that ended early has left behind.
create table if not exists millstream.build (
    backend integer not null default pg_backend_pid(),
    views text[] not null, -- what is built, in order
    states text[] not null, -- the versions, which no name stands for yet
    indexes text[] not null default '{}', -- made on what was there before
    logs jsonb not null, -- relation → its columns: what ticks have to log
    tick bigint not null, -- the last tick that did not log
    logged bigint, -- the last tick that did
    started_at timestamptz not null default clock_timestamp(),
    doing text not null default 'begins',
    step integer not null default 0,
    steps integer not null
);
