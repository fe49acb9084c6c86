-- What each `millstream deploy` did, and the definitions that ran before the last one.
create table millstream.deployment (
    number bigint generated always as identity primary key,
    action text not null check (action in ('deploy', 'rollback')),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    plan jsonb not null,
    previous jsonb
);
