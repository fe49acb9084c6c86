-- What is set aside so that everything else goes on.
-- Run again whenever this file changes: tables are made where they are missing, everything else replaces.

-- Keys that a view could not compute and has no rows of, with the error, until they are computed.
create table if not exists millstream.dead_key (
    state text not null -- the version of the view
        references millstream.state (name) on delete cascade deferrable initially deferred,
    node text not null, -- the part of it that could not
    key text[] not null,
    error text not null,
    failures bigint not null default 1,
    again boolean not null default false, -- to be tried by the next tick, whatever changes
    first_seen timestamptz not null default transaction_timestamp(),
    last_seen timestamptz not null default transaction_timestamp()
);
create index if not exists dead_key_hash on millstream.dead_key (node, hash_array_extended(key, 0));

-- Versions of views that no tick can run. What reads them stands still with them, until they are deployed again.
create table if not exists millstream.suspended (
    state text primary key references millstream.state (name) on delete cascade,
    node text not null, -- the part of it that failed
    error text not null,
    since timestamptz not null default transaction_timestamp()
);

-- The same by model, for people.
create or replace view millstream.dead_keys as
select r.schema_name, r.name as model, d.key, d.error, d.failures, d.first_seen, d.last_seen
from millstream.dead_key as d
join millstream.relation as r on r.state = d.state;

-- Remember that a key could not be computed, or forget it where there was no error. What failed in this transaction stays:
-- a list that could not be prepared for Python is compared with what is stored all the same.
create or replace function millstream.note_key(state text, node text, key text[], error text) returns void
language plpgsql volatile as $$
begin
    if note_key.error is null then
        delete from millstream.dead_key as d
        where d.node = note_key.node and hash_array_extended(d.key, 0) = hash_array_extended(note_key.key, 0)
            and d.key = note_key.key and d.last_seen < transaction_timestamp();
        return;
    end if;
    update millstream.dead_key as d
    set error = left(note_key.error, 2000), failures = failures + 1, again = false, last_seen = transaction_timestamp()
    where d.node = note_key.node and hash_array_extended(d.key, 0) = hash_array_extended(note_key.key, 0)
        and d.key = note_key.key;
    if not found then
        insert into millstream.dead_key (state, node, key, error)
        values (note_key.state, note_key.node, note_key.key, left(note_key.error, 2000));
    end if;
end $$;
