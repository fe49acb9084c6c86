"""Every function that RisingWave has over values: PostgreSQL takes it and gives the same type, or it is refused by name."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from millstream.compiler.dialect import explicit, respell, write
from millstream.compiler.portable.types import TYPE_NAMES
from millstream.compiler.syntax.aggregate_calls import AGGREGATES
from millstream.compiler.syntax.known_functions import INSTEAD, LACKING, SETS, UNTAKEN
from millstream.compiler.syntax.signatures import Signature, signatures
from millstream.compiler.syntax.uncertain import CERTAIN, CLOCK_NAMES, VOLATILE
from millstream.engine.catalog.install import install
from millstream.errors import Refused
from tests.compiler.dialect.postgres import Postgres, read
from tests.databases import Databases
from tests.engine.engine import Engine

ONE_OF = {"any": "integer", "anyarray": "integer[]", "*int": "integer", "*float": "double precision"}
FORMS = [
    form
    for name, forms in signatures().items()
    for form in forms
    if name not in LACKING and name not in VOLATILE | CLOCK_NAMES | {"now"}
]


@pytest.fixture(scope="module")
def postgres(databases: Databases) -> Iterator[Postgres]:
    """A server with the engine's functions."""
    with databases.fresh() as dsn:
        asked = Postgres(dsn)
        install(asked.connection)
        yield asked
        asked.connection.close()


def called(form: Signature) -> str:
    """A call of a form of a function with NULLs of its types."""
    nulls = [f"cast(null as {ONE_OF.get(type_, type_)})" for type_ in form.arguments]
    if form.name == "extract":
        return f"extract({'hour' if form.arguments[1].startswith('time') else 'year'} from {nulls[1]})"
    if form.name == "position":
        return f"position({nulls[1]} in {nulls[0]})"
    return f"{form.name}({', '.join(nulls)})"


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_postgresql_has_it_and_gives_the_same_type(form: Signature, postgres: Postgres) -> None:
    meant = postgres.meaning(write(respell(explicit(read(called(form))))))
    if str(form) in UNTAKEN:
        assert meant is None
        return
    assert meant is not None, called(form)
    result = form.arguments[0] if form.result == "auto" else form.result
    wanted = ONE_OF.get(result, result)
    assert meant.replace("character varying", "text").endswith(f";{wanted}"), meant


def test_what_is_lacking_is_a_function_of_risingwave() -> None:
    unlisted = {"arg_max", "arg_min", "array_transform", "map_filter"}  # aggregates, and functions of lambdas
    assert set(LACKING) - set(signatures()) == unlisted


def test_what_is_to_be_written_instead_is_none_of_risingwaves() -> None:
    forms = {
        "bit_and",
        "length",
        "log",
        "max",
        "min",
        "substring",
        "to_char",
        "trunc",
    }  # it has others of these
    assert set(INSTEAD) & (set(signatures()) | AGGREGATES) == forms


def test_every_uncertain_function_of_postgresql_is_known(postgres: Postgres) -> None:
    volatile = """
        select distinct p.proname::text from pg_proc as p
        where pronamespace = 'pg_catalog'::regnamespace and provolatile = 'v' and prokind = 'f' and not proretset
            and prorettype::regtype::text not in ('internal', 'trigger', 'table_am_handler', 'index_am_handler',
                'tsm_handler', 'language_handler', 'void', 'xml', 'tid')
            and proname !~ '^(pg_|ts_|lo|brin|gin_clean|binary_upgrade|has_|amvalidate|dsnowball)'
    """
    server = {"pg_notify"} | set(CERTAIN)
    assert {name for (name,) in postgres.rows(volatile)} - VOLATILE - server == set()


def test_every_aggregate_of_postgresql_is_known(postgres: Postgres) -> None:
    aggregates = "select distinct proname::text from pg_proc where prokind = 'a' and pronamespace = 'pg_catalog'::regnamespace"
    ranks = {"cume_dist", "dense_rank", "percent_rank", "rank"}  # have nodes of their own
    assert {name for (name,) in postgres.rows(aggregates)} - ranks <= AGGREGATES
    assert not SETS & AGGREGATES


def test_every_type_that_may_be_written_is_read_by_postgresql(postgres: Postgres) -> None:
    for type_ in TYPE_NAMES:
        assert postgres.meaning(write(read(f"cast(null as {type_})"))) is not None, type_


T = "create table t (k int primary key, ai int[], an numeric[], ar real[], av varchar[], js jsonb, s varchar, f double precision)"
VALUES = {
    "array_min(ai)": ["1", None, None, None],
    "array_max(ai)": ["3", None, None, None],
    "array_min(av)": ["", "b", None, None],
    "array_sum(ai)": ["8", None, None, None],
    "array_sum(an)": ["3.50", None, None, None],
    "array_sum(ar)": ["0.75", None, None, None],
    "array_sum(array[1, 2]::bigint[])": ["3", "3", "3", "3"],
    "array_sum(array[interval '1 day', interval '2 hours'])": ["1 day 02:00:00"] * 4,
    "array_distinct(ai)": ["{3,1,NULL}", "{}", "{NULL}", None],
    "array_distinct(av)": ['{x,""}', "{b}", "{}", None],
    "array_length(ai)": ["5", "0", "1", None],
    "array_upper(ai)": ["5", "0", "1", None],
    "array_contains(ai, array[1, 3])": ["true", "false", "false", None],
    "array_contained(ai, array[1])": ["false", "true", "false", None],
    "array_overlaps(ai, array[3, 9])": ["true", "false", "false", None],
    "array_is_overlap(ai, array[9])": ["false", "false", "false", None],
    "array_join(av, '+')": ["x++x", "b", "", None],
    "array_join(av, '+', '-')": ["x++x", "b", "", None],
    "array_sort(ai)": ["{1,1,3,3,NULL}", "{}", "{NULL}", None],
    "array_positions(ai, 3)": ["{1,5}", "{}", "{}", None],
    "jsonb_to_array(js)": ['{1,"\\"x\\"","null"}', "{}", None, None],
    "cardinality(jsonb_to_array(js))": ["3", "0", None, None],
    "inet_aton(s)": ["167773449", None, None, None],
    "inet_ntoa(167773449)": ["10.0.5.9"] * 4,
    "inet_ntoa(-1)": [None] * 4,
    "round(coth(f)::numeric, 4)": ["1.3130", "-1.0373", "NaN", None],
    "jsonb_path_exists(js, s)": [None, "true", None, None],
    "js @? '$[0]'": ["true", "false", "true", None],
    "pg_typeof(ai)": ["integer[]"] * 4,
    "to_hex(255)": ["ff"] * 4,
    "log10(1000.0)": ["3.0000000000000000"] * 4,
    "coalesce(av, array[]::varchar[])": ['{x,"",x}', "{b}", "{}", "{}"],
    "cast(array[] as int[])": ["{}"] * 4,
    "array['1', s]::int[]": ["{1,NULL}", "{1,NULL}", "{1,NULL}", "{1,NULL}"],
}
ROWS = (
    "insert into t values (1, '{3,1,null,1,3}', '{1.25,2.25}', '{0.25,0.5}', '{x,\"\",x}', '[1, \"x\", null]', '10.0.5.9', 1)",
    "insert into t values (2, '{}', '{}', '{}', '{b}', '[]', '$', -2)",
    "insert into t values (3, '{null}', '{null}', '{null}', '{}', '{\"a\": 1}', '300.1.1.1', 0)",
    "insert into t values (4, null, null, null, null, null, null, null)",
)


def test_what_postgresql_lacks_or_names_otherwise_has_risingwaves_values(engine: Engine) -> None:
    engine.deploy(T)
    listed = ", ".join(f"{expression} as c{number}" for number, expression in enumerate(VALUES))
    view = f"select k, {listed} from t"
    engine.deploy(f"create materialized view incremental as {view}")
    engine.write(*ROWS)
    engine.deploy(f"create materialized view built as {view}")
    texts = ", ".join(f"c{number}::text" for number in range(len(VALUES)))
    for relation in ("incremental", "built"):
        rows = engine.rows(f"select {texts} from {relation} order by k")
        for number, (expression, values) in enumerate(VALUES.items()):
            assert [row[number] for row in rows] == values, (relation, expression)


def test_a_plain_view_has_them_too(engine: Engine) -> None:
    engine.deploy(T)
    engine.write(*ROWS)
    safe = {e: v for e, v in VALUES.items() if not e.startswith(("inet_aton(s", "jsonb_path", "array['1'"))}
    listed = ", ".join(f"{expression} as c{number}" for number, expression in enumerate(safe))
    engine.deploy(f"create view plain as select k, {listed} from t")
    texts = ", ".join(f"c{number}::text" for number in range(len(safe)))
    rows = engine.rows(f"select {texts} from plain order by k")
    for number, (expression, values) in enumerate(safe.items()):
        assert [row[number] for row in rows] == values, expression


def test_approx_percentile_is_exact(engine: Engine) -> None:
    engine.deploy_all(
        "create table p (k int primary key, g varchar, v int)",
        "create materialized view m as select g, approx_percentile(0.5, 0.01) within group (order by v) as mid,"
        " approx_percentile(0.9) within group (order by v) as high from p group by g",
        "create view seen as select approx_percentile(0.5) within group (order by v) as mid from p",
    )
    engine.write("insert into p select n, 'a', n from generate_series(1, 100) as n")
    assert engine.all("m") == [("a", 50.0, 90.0)]
    assert engine.all("seen") == [(50.0,)]
    engine.write("delete from p where v > 10")
    assert engine.all("m") == [("a", 5.0, 9.0)]
    assert engine.value("select pg_typeof(mid)::text from m") == "double precision"


def test_an_address_that_is_none_is_counted(engine: Engine) -> None:
    engine.deploy_all(T, "create materialized view m as select k, inet_aton(s) as a from t")
    engine.write("insert into t (k, s) values (1, '1.2.3.4'), (2, '1.2.3'), (3, null)")
    assert engine.all("m") == [(1, 16909060), (2, None), (3, None)]
    assert engine.rows("select expression, count from millstream.evaluation_errors") == [("inet_aton(s)", 1)]


@pytest.mark.parametrize("name", sorted(LACKING))
def test_what_postgresql_cannot_do_is_refused_by_name(engine: Engine, name: str) -> None:
    engine.deploy(T)
    with pytest.raises(Refused) as caught:
        engine.deploy(f"create materialized view m as select k, {name}(ai, s) as x from t")
    assert caught.value.diagnostic.code in ("MS079", "MS028")
    assert caught.value.diagnostic.line == 1


def test_a_raw_error_never_comes_of_a_function(engine: Engine) -> None:
    engine.deploy(T)
    for call in ("no_such(s)", "upper(k)", "date_trunc('day', s)", "regexp_count(k, 'a')", "s || ai || k"):
        with pytest.raises((Refused, psycopg.errors.DataError)) as caught:
            engine.deploy(f"create materialized view m as select k, {call} as x from t")
        assert isinstance(caught.value, Refused), call
        assert caught.value.diagnostic.code == "MS028", call
