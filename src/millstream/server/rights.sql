-- What everybody (PUBLIC) may do in a database that Millstream keeps. PostgreSQL lets every role that may connect take
-- advisory locks, store large objects, run code and look at what others do; here only an owner does, who may create in the
-- database. Run by a superuser at every start; a second run finds nothing to do.

do $rights$
declare
    -- what changes nothing beyond the session's own values, or is guarded by rights of its own; drivers, pools and psql call it
    harmless constant text[] := '{
        array_sample, array_shuffle, clock_timestamp, current_query, currval, gen_random_uuid, lastval, nextval,
        pg_advisory_unlock, pg_advisory_unlock_all, pg_advisory_unlock_shared, pg_indexes_size, pg_is_in_recovery,
        pg_partition_ancestors, pg_partition_tree, pg_relation_size, pg_sequence_last_value, pg_table_size,
        pg_total_relation_size, random, random_normal, set_config, setseed, setval, timeofday, uuidv4, uuidv7
    }';
    -- what shows others' work, spends transaction numbers, or runs statements that are hidden in text
    telling constant text := '^(pg_stat_get_|pg_get_replication_slots$|pg_current_xact_id$|txid_current$|'
        '(cursor|database|query|schema|table)_to_xml)';
    watching constant text := '^pg_(stat_get_|lock_status$|blocking_pids$)';
    -- called by the server alone
    inner_types constant regtype[] := '{internal, trigger, event_trigger, language_handler, index_am_handler,
        table_am_handler, fdw_handler, tsm_handler}';
    closed text;
    watched text;
    owner name;
begin
    select
        string_agg(p.oid::regprocedure::text, ', '),
        string_agg(p.oid::regprocedure::text, ', ') filter (where p.proname ~ watching)
    into closed, watched
    from pg_proc as p
    where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f'
        and (p.provolatile = 'v' and p.proname <> all (harmless) or p.proname ~ telling)
        and p.prorettype <> all (inner_types) and not p.proargtypes::oid[] && inner_types::oid[]
        and exists (
            select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
            where a.grantee = 0 and a.privilege_type = 'EXECUTE'
        );
    if closed is not null then
        execute format('revoke execute on function %s from public', closed);
    end if;
    if watched is not null then -- monitoring keeps what it has
        execute format('grant execute on function %s to pg_read_all_stats', watched);
    end if;
    if exists (
        select from pg_language as l, aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) as a
        where l.lanpltrusted and a.grantee = 0
    ) then
        revoke usage on language plpgsql, sql from public; -- no DO, no functions
    end if;
    -- who may update a view may lock it, and keep everybody from reading the settings
    if exists (
        select from pg_class as c, aclexplode(c.relacl) as a
        where c.oid = 'pg_settings'::regclass and a.grantee = 0 and a.privilege_type = 'UPDATE'
    ) then
        revoke update on pg_settings from public;
    end if;
    if has_schema_privilege('pg_monitor', 'public', 'create') then -- a role that has what PUBLIC has
        revoke create on schema public from public;
    end if;
    for owner in
        select r.rolname from pg_roles as r
        where not r.rolsuper and r.rolcanlogin and has_database_privilege(r.oid, current_database(), 'create')
            and not has_language_privilege(r.oid, 'plpgsql', 'usage')
    loop
        execute format('grant usage on language plpgsql, sql to %I', owner);
        execute (
            select format('grant execute on function %s to %I', string_agg(p.oid::regprocedure::text, ', '), owner)
            from pg_proc as p
            where p.pronamespace = 'pg_catalog'::regnamespace
                and p.proname ~ '^(pg_(try_)?advisory_|pg_notify$|pg_sleep$|pg_current_xact_id|pg_stat_get_|pg_lock_status$|'
                    'pg_terminate_backend$|pg_notification_queue_usage$|pg_database_size$|pg_export_snapshot$)'
        );
    end loop;
end $rights$;
