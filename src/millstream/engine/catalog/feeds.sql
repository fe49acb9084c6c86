-- Watching a model. Run again whenever this file changes, so everything here replaces.

-- Keep the changes of a materialized view from now on, or renew that; every change after the returned tick is kept.
-- Call it again within `keep`, or the feed ends. The longest `keep` of several watchers counts.
create or replace function millstream.watch(schema_name text, model text, keep interval default '1 hour') returns bigint
language plpgsql as $$
#variable_conflict use_variable
declare
    place bigint;
    version text;
begin
    update millstream.feed as f set read_at = clock_timestamp(), keep = greatest(f.keep, keep)
    where f.schema_name = schema_name and f.name = model
    returning f.since into place;
    if found then
        return place;
    end if;
    perform pg_advisory_xact_lock(x'7469636b'::integer); -- the turn of ticks and deploys
    select r.state into version from millstream.relation as r
    where r.schema_name = schema_name and r.name = model and r.kind = 'materialized_view';
    if not found then
        raise exception '%.% is no materialized view', schema_name, model;
    end if;
    insert into millstream.feed as f (schema_name, name, state, since, keep)
    select schema_name, model, version, c.tick, keep from millstream.clock as c
    on conflict on constraint feed_pkey do update set read_at = clock_timestamp(), keep = greatest(f.keep, excluded.keep)
    returning f.since into place;
    update millstream.clock set feeds = feeds + 1;
    return place;
end $$;

-- Forget what is older than its feed keeps, or more than `most` rows, in whole ticks; end feeds that nobody reads.
create or replace function millstream.trim_feeds(most bigint) returns void
language plpgsql as $$
declare
    f record;
    cut bigint;
begin
    delete from millstream.feed where read_at < clock_timestamp() - keep;
    if found then
        update millstream.clock set feeds = feeds + 1;
    end if;
    for f in select * from millstream.feed loop
        select greatest(
            (
                select c.tick from millstream.feed_change as c
                where c.schema_name = f.schema_name and c.name = f.name and c.kept_at < clock_timestamp() - f.keep
                order by c.kept_at desc limit 1
            ),
            (
                select c.tick from millstream.feed_change as c
                where c.schema_name = f.schema_name and c.name = f.name
                order by c.tick desc, c.position desc limit 1 offset most
            )
        ) into cut;
        if cut is not null then
            delete from millstream.feed_change as c
            where c.schema_name = f.schema_name and c.name = f.name and c.tick <= cut;
            update millstream.feed as g set since = greatest(g.since, cut)
            where g.schema_name = f.schema_name and g.name = f.name;
        end if;
    end loop;
end $$;
