-- Forgetting people. Run again whenever this file changes: the table is made where it is missing, everything else replaces.

-- What was asked for and what became of it; people only as keyed hashes, but while their rows are being removed.
create table if not exists millstream.erasure (
    number bigint generated always as identity primary key,
    requested_at timestamptz not null default clock_timestamp(),
    ids text[], -- the ids as they are, those asked for and those found; null when all is done
    visitors text[] not null default '{}', -- visitors that were these people at some time; empty when all is done
    follow_visitors boolean not null default false, -- from a visitor on to others who used the same device
    id_hashes text[] not null default '{}',
    removed jsonb not null default '{}', -- relation → rows
    done_at timestamptz, -- no relation has anything of the person any more
    cleaned_at timestamptz, -- and no file of the data directory
    error text -- why it could not be done yet
);
alter table millstream.erasure alter column ids set statistics 0, alter column visitors set statistics 0;

-- Whether an id names nobody: what the project's vars missing_words and nobody_ids say, and macros/id_or_null.sql.
create or replace function millstream.is_nobody(id text) returns boolean
language sql immutable
return id is null or lower(btrim(id, ' ''"' || chr(9) || chr(10) || chr(13))) in (
    '', 'null', '(null)', 'none', 'nil', 'undefined', 'nan', '[object object]', '(not set)', 'n/a',
    '0', '-1', '00000000-0000-0000-0000-000000000000', 'anonymous', 'guest', 'unknown'
);

-- Whether a text mentions one of the ids: anywhere where the id is long enough to be told, as a word where it is short.
create or replace function millstream.mentions(content text, ids text[]) returns boolean
language sql immutable
return coalesce((
    select bool_or(
        case
            when length(i.id) >= 6 then
                strpos(content, i.id) > 0 or strpos(content, substr(i.quoted, 2, length(i.quoted) - 2)) > 0
            else content ~ (
                '(^|[^[:alnum:]_])' || regexp_replace(i.id, '([^[:alnum:]_[:space:]])', '\\\1', 'g') || '($|[^[:alnum:]_])'
            )
        end
    )
    from (select u.id, to_json(u.id)::text as quoted from unnest(ids) as u (id)) as i
), false);

-- The project's macro keyed_hash.
create or replace function millstream.keyed_hash(key text, content text) returns text
language sql immutable strict parallel safe
return encode(sha256(convert_to(
    key || ':' || encode(sha256(convert_to(key || ':' || content, 'UTF8')), 'hex'), 'UTF8')), 'hex');

-- Remember every link that is written to identities, also one that no tick sees because it is deleted at once.
create or replace function millstream.remember_links() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
declare
    key text;
begin
    execute format('select k.key from %I.tombstone_keys as k order by k.bucket limit 1', tg_table_schema) into key;
    execute format(
        'insert into %I.past_identities (visitor_hash, person_hash) '
        'select distinct millstream.keyed_hash($1, a.anonymous_id), millstream.keyed_hash($1, a.user_id) from added as a '
        'where not millstream.is_nobody(a.anonymous_id) and not millstream.is_nobody(a.user_id)', tg_table_schema)
    using key;
    return null;
end $$;

-- Ask the worker to forget people; returns the number of the request.
create or replace function millstream.request_erasure(
    ids text[], visitors text[] default '{}', follow_visitors boolean default false
) returns bigint
language plpgsql as $$
declare
    id text;
    made bigint;
begin
    if coalesce(cardinality(ids || visitors), 0) = 0 then
        raise exception 'nobody is named' using hint = 'give ids of persons or visitors';
    end if;
    foreach id in array ids || visitors loop
        if millstream.is_nobody(id) then
            raise exception '% names nobody', coalesce(quote_literal(id), 'null')
            using hint = 'rows with such an id belong to no one person; delete them by another column';
        end if;
    end loop;
    insert into millstream.erasure (ids, visitors, follow_visitors)
    values (request_erasure.ids, request_erasure.visitors, request_erasure.follow_visitors) returning number into made;
    perform pg_notify('millstream_queue', 'erasure');
    return made;
end $$;

-- Forget people: returns when no relation has anything of them. What is left in files: `millstream forget`.
create or replace procedure millstream.forget(variadic ids text[])
language plpgsql as $$
declare
    made bigint := millstream.request_erasure(ids);
    found record;
    since timestamptz := clock_timestamp();
begin
    commit; -- so that the worker sees it
    loop
        select e.done_at, e.error, e.removed into found from millstream.erasure as e where e.number = made;
        exit when found.done_at is not null;
        if clock_timestamp() > since + interval '60 seconds' then
            raise exception 'erasure % has not ended within a minute', made using
            detail = coalesce(found.error, 'no worker has done it'),
            hint = 'it stays asked for, and the worker does it as soon as it can: look at `millstream status`';
        end if;
        perform pg_sleep(0.02);
    end loop;
    raise notice 'removed: %', found.removed;
end $$;

revoke all on function millstream.request_erasure from public;
revoke all on procedure millstream.forget from public;
