-- A plain PostgreSQL stand-in for the source relations: the same names, columns and conflict rules, kept by ordinary
-- tables and INSTEAD OF triggers instead of the engine. The server, COPY, transactions and privileges are real.
create schema millstream;
create schema stand_in;

create procedure millstream.flush() language plpgsql as $$
begin
    insert into stand_in.flushes default values;
end
$$;
create table stand_in.flushes (at timestamptz default clock_timestamp());
alter procedure millstream.flush() security definer;

create table stand_in.events (
    event_id varchar primary key, event_type varchar, user_id varchar, anonymous_id varchar, session_id varchar,
    item_id varchar, quantity integer, price double precision, currency varchar, dwell_seconds double precision,
    search_query varchar, list_id varchar, position integer, rec_id varchar, country varchar, device varchar,
    referrer varchar, consent boolean, occurred_at timestamptz, received_at timestamptz
);
create table stand_in.events_raw (
    payload varchar, source_partition varchar, source_offset varchar, received_at timestamptz
);
create table stand_in.items (
    item_id varchar primary key, name varchar, category varchar, subcategory varchar, brand varchar,
    price double precision, is_active boolean, created_at timestamptz
);
create table stand_in.inventory (item_id varchar primary key, quantity integer);
create table stand_in.users (
    user_id varchar primary key, segment varchar, attributes jsonb, updated_at timestamptz
);
create table stand_in.erased_users (user_id varchar primary key, erased_at timestamptz);
create table stand_in.load_erased_ids (id varchar primary key, is_erased boolean);
create table stand_in.item_vectors (
    item_id varchar primary key, model_version varchar, vector double precision[]
);
create table stand_in.embedding_neighbours (
    item_id varchar primary key, model_version varchar, neighbour_ids varchar[], scores double precision[]
);
create table stand_in.ranking_models (variant varchar primary key, model_version varchar);

-- A view over the table with a trigger that writes to it by the relation's rule: first, last or append.
create function stand_in.relation(name text, key text, rule text) returns void language plpgsql as $make$
begin
    execute format($body$
        create view public.%1$I as select * from stand_in.%1$I;
        create function stand_in.write_%1$s() returns trigger language plpgsql security definer as $$
        begin
            if tg_op = 'DELETE' then
                delete from stand_in.%1$I where %2$I = old.%2$I;
                return old;
            end if;
            if tg_op = 'UPDATE' or %3$L = 'last' then
                delete from stand_in.%1$I where %2$I = new.%2$I;
            end if;
            insert into stand_in.%1$I values (new.*) on conflict do nothing;
            return new;
        end
        $$;
        create trigger write instead of insert or update or delete on public.%1$I
            for each row execute function stand_in.write_%1$s();
        grant select, insert, update, delete on public.%1$I to millstream_writer;
    $body$, name, key, rule);
end
$make$;

select stand_in.relation('events', 'event_id', 'first');
select stand_in.relation('events_raw', 'source_offset', 'append');
select stand_in.relation('items', 'item_id', 'last');
select stand_in.relation('inventory', 'item_id', 'last');
select stand_in.relation('users', 'user_id', 'last');
select stand_in.relation('erased_users', 'user_id', 'last');
select stand_in.relation('load_erased_ids', 'id', 'last');
select stand_in.relation('item_vectors', 'item_id', 'last');
select stand_in.relation('embedding_neighbours', 'item_id', 'last');
select stand_in.relation('ranking_models', 'variant', 'last');

grant usage on schema millstream to millstream_writer;
grant execute on procedure millstream.flush() to millstream_writer;
