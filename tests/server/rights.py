"""Everything that a role may do in a database, as lines of text that can be compared and read."""

from __future__ import annotations

import textwrap

import psycopg

ATTRIBUTES = """
select array_remove(array[
    case when rolsuper then 'superuser' end, case when rolcreaterole then 'createrole' end,
    case when rolcreatedb then 'createdb' end, case when rolreplication then 'replication' end,
    case when rolbypassrls then 'bypassrls' end, case when rolcanlogin then 'login' end,
    'connection limit ' || rolconnlimit
], null)
from pg_roles where rolname = %(role)s
"""

SETTINGS = """
select coalesce(d.datname || ': ', '') || pair
from pg_db_role_setting as s cross join unnest(s.setconfig) as pair left join pg_database as d on d.oid = s.setdatabase
where s.setrole = %(role)s::regrole order by 1
"""

MEMBER = """
select r.rolname from pg_auth_members as m join pg_roles as r on r.oid = m.roleid where m.member = %(role)s::regrole
"""

OWNED = """
select format('%%s %%s', classid::regclass, objid) from pg_shdepend
where refclassid = 'pg_authid'::regclass and refobjid = %(role)s::regrole and deptype = 'o'
"""

DATABASES = """
select d.datname || ': ' || string_agg(p, ', ' order by p)
from pg_database as d cross join unnest('{connect,create,temporary}'::text[]) as p
where has_database_privilege(%(role)s, d.oid, p) and d.datname in (current_database(), 'postgres', 'template1')
group by d.datname
"""

SCHEMAS = """
select n.nspname || ': ' || string_agg(p, ', ' order by p)
from pg_namespace as n cross join unnest('{usage,create}'::text[]) as p
where has_schema_privilege(%(role)s, n.oid, p) group by n.nspname order by 1
"""

RELATIONS = """
select format('%%s %%s: %%s', case c.relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end,
    c.oid::regclass, string_agg(p, ', ' order by p))
from pg_class as c
cross join unnest('{select,insert,update,delete,truncate,references,trigger,maintain}'::text[]) as p
where c.relkind in ('r', 'v', 'm', 'f', 'p') and c.relnamespace not in (%(catalogues)s)
    and has_table_privilege(%(role)s, c.oid, p)
group by c.oid, c.relkind, c.relname
union all
select format('sequence %%s: %%s', c.oid::regclass, string_agg(p, ', ' order by p))
from pg_class as c cross join unnest('{usage,select,update}'::text[]) as p
where c.relkind = 'S' and has_sequence_privilege(%(role)s, c.oid, p) group by c.oid
union all
select format('columns of %%s: %%s', a.attrelid::regclass, string_agg(a.attname, ', ' order by a.attname))
from pg_attribute as a join pg_class as c on c.oid = a.attrelid
where a.attacl is not null and c.relnamespace not in (%(catalogues)s)
    and has_column_privilege(%(role)s, a.attrelid, a.attnum, 'select')
group by a.attrelid
union all
select format('writes in the catalogue: %%s', c.oid::regclass) from pg_class as c
where c.relnamespace in (%(catalogues)s) and c.relkind in ('r', 'v')
    and has_table_privilege(%(role)s, c.oid, 'insert,update,delete,truncate,trigger,maintain')
    and c.relname <> 'pg_settings' -- what UPDATE of it can do, SET can
order by 1
"""

FUNCTIONS = """
select format('%%s%%s', p.oid::regprocedure, case when p.prosecdef then ' security definer' else '' end)
from pg_proc as p
where p.pronamespace not in (%(catalogues)s) and has_function_privilege(%(role)s, p.oid, 'execute')
    and has_schema_privilege(%(role)s, p.pronamespace, 'usage')
order by p.oid::regprocedure::text
"""

# Operators, casts and types call functions that only compute; those that look, or do, are these.
BUILT_IN = """
select distinct p.proname::text from pg_proc as p
where p.pronamespace in (%(catalogues)s) and p.provolatile = %(volatility)s and has_function_privilege(%(role)s, p.oid, 'execute')
    and not exists (
        select from unnest('{internal,trigger,event_trigger,language_handler,index_am_handler,table_am_handler,fdw_handler,'
            'tsm_handler,cstring}'::regtype[]) as t where t = p.prorettype or t = any (p.proargtypes)
    )
order by 1
"""

LANGUAGES = "select lanname from pg_language where has_language_privilege(%(role)s, oid, 'usage') order by 1"

PARAMETERS = """
select a.parname || ': ' || p from pg_parameter_acl as a cross join unnest('{set,alter system}'::text[]) as p
where has_parameter_privilege(%(role)s, a.parname, p) order by 1
"""

OTHER = """
select format('tablespace %%s', spcname) from pg_tablespace where has_tablespace_privilege(%(role)s, oid, 'create')
union all
select format('server %%s', srvname) from pg_foreign_server where has_server_privilege(%(role)s, oid, 'usage')
union all
select format('wrapper %%s', fdwname) from pg_foreign_data_wrapper
where has_foreign_data_wrapper_privilege(%(role)s, oid, 'usage')
union all
select format('large object %%s', oid) from pg_largeobject_metadata
union all
select format('default: %%s', defaclacl) from pg_default_acl
union all
select format('type %%s', oid::regtype) from pg_type where typacl is not null and has_type_privilege(%(role)s, oid, 'usage')
"""

PARTS = {
    "attributes": ATTRIBUTES,
    "settings": SETTINGS,
    "member of": MEMBER,
    "owns": OWNED,
    "databases": DATABASES,
    "schemas": SCHEMAS,
    "tables, views, sequences": RELATIONS,
    "functions": FUNCTIONS,
    "volatile functions of PostgreSQL": BUILT_IN,
    "stable functions of PostgreSQL": BUILT_IN,
    "languages": LANGUAGES,
    "parameters": PARAMETERS,
    "other": OTHER,
}
CATALOGUES = "'pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace"


def rights_of(owner: psycopg.Connection, role: str) -> str:
    """Return all rights of a role, part by part; names that are many are set in paragraphs."""
    owner.execute("set search_path = pg_catalog")
    lines = [f"# {role}"]
    for part, query in PARTS.items():
        volatility = {"volatile": "v", "stable": "s"}.get(part.split()[0], "")
        found = [
            value
            for (value,) in owner.execute(
                query.replace("%(catalogues)s", CATALOGUES).encode(), {"role": role, "volatility": volatility}
            )
        ]
        rows = [str(item) for value in found for item in (value if isinstance(value, list) else [value])]
        lines += ["", f"## {part}"]
        if part.endswith("of PostgreSQL"):
            lines += textwrap.wrap(" ".join(rows), 110, break_on_hyphens=False)
        else:
            lines += rows or ["none"]
    owner.execute("reset search_path")
    return "\n".join(lines) + "\n"
