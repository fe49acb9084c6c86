-- The record of scalar operations that gave NULL because a value made them fail.
-- Run again whenever this file changes: tables are made where they are missing, everything else replaces.

-- Failures of the running tick or build, one row each, until settle_evaluation_errors() adds them up.
create unlogged table if not exists millstream.evaluation_failure (
    state text not null,
    expression text not null,
    message text not null,
    inputs jsonb not null
);

-- What was added up. It belongs to one version of a view and goes with it: a rebuilt view counts from its build on.
create table if not exists millstream.evaluation_error (
    state text not null,
    expression text not null,
    message text not null,
    failures bigint not null,
    last_sample jsonb not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    primary key (state, expression, message),
    foreign key (state) references millstream.state (name) on delete cascade
);

-- Expressions that gave NULL because a value made them fail, of the versions that are deployed now.
--
-- count is how often that happened, not how many rows show NULL: building a view evaluates each row that exists, and a
-- tick evaluates what changed; so a row counts again when it is deleted, when its group is computed again, and when a
-- join reads it again. A rebuild starts from nothing.
create or replace view millstream.evaluation_errors as
select
    r.schema_name,
    r.name as model,
    e.expression,
    e.message,
    e.failures as count,
    e.last_sample,
    e.first_seen,
    e.last_seen
from millstream.evaluation_error as e
join millstream.relation as r on r.state = e.state and r.kind = 'materialized_view';

-- Apart from failed(), because only a volatile function may write, and only stable ones may be looked up by an index.
create or replace function millstream.record_failure(state text, expression text, message text, inputs jsonb) returns void
language plpgsql volatile as $$
begin
    insert into millstream.evaluation_failure values (
        state, expression, message,
        case when pg_column_size(inputs) > 2000 then to_jsonb(left(inputs::text, 500)) else inputs end
    );
    perform set_config('millstream.failures', 'yes', true);
end $$;

-- Add up the failures of this transaction. Nothing to do costs one look at a setting.
create or replace function millstream.settle_evaluation_errors() returns void
language plpgsql volatile as $$
begin
    if current_setting('millstream.failures', true) is distinct from 'yes' then
        return;
    end if;
    insert into millstream.evaluation_error as e
    select
        f.state, f.expression, f.message, count(*), (array_agg(f.inputs order by f.ctid desc))[1],
        clock_timestamp(), clock_timestamp()
    from millstream.evaluation_failure as f
    join millstream.state as s on s.name = f.state
    group by f.state, f.expression, f.message
    on conflict (state, expression, message) do update set
        failures = e.failures + excluded.failures,
        last_sample = excluded.last_sample,
        last_seen = excluded.last_seen;
    if (select count(*) from millstream.evaluation_failure) > 100 then -- or every tick would pass over what is left
        begin
            lock table millstream.evaluation_failure in access exclusive mode nowait;
            truncate millstream.evaluation_failure;
        exception when lock_not_available then -- a view is being built, and some of these are its
            delete from millstream.evaluation_failure;
        end;
    else
        delete from millstream.evaluation_failure;
    end if;
    perform set_config('millstream.failures', '', true);
end $$;
