-- Who may call the engine's functions: everybody those that only compute, which views call as whoever reads them; the
-- writer flush(); nobody but the owner the rest, which takes the engine's locks or changes what it keeps.

revoke execute on all routines in schema millstream from public;

do $rights$
begin
    execute (
        select format('grant execute on routine %s to public', string_agg(p.oid::regprocedure::text, ', '))
        from pg_proc as p
        where p.pronamespace = 'millstream'::regnamespace
            and (p.prokind = 'a' or p.prokind = 'f' and p.provolatile <> 'v')
    );
    if exists (select from pg_roles where rolname = 'millstream_writer') then
        grant execute on procedure millstream.flush(interval) to millstream_writer;
    end if;
end $rights$;
