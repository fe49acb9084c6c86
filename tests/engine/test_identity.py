"""Equal is not identical: what a view shows of a value is that of a row that is there, for every type and every rule."""

from __future__ import annotations

import pytest

from tests.engine.engine import Engine

LEASES = (
    "create table leases (id integer primary key, term interval, amount numeric, x double precision, terms interval[],"
    " body jsonb)"
)
SHORT = "'30 days', 1.5, 0, '{1 day}', '{\"w\": 2}'"
LONG = "'1 month', 1.50, '-0', '{24:00:00}', '{\"w\": 2.00}'"


@pytest.fixture
def leases(engine: Engine) -> Engine:
    engine.deploy(LEASES)
    engine.write(f"insert into leases values (1, {SHORT})")
    return engine


def texts(engine: Engine, view: str) -> list[str]:
    """The rows of a view, sorted, as PostgreSQL writes them."""
    return sorted(row[0] for row in engine.rows(f"select whole::text from {view} as whole"))


def replace(engine: Engine) -> None:
    """Put a row with equal values that are not the same in the place of the first, in two ticks."""
    engine.write("delete from leases where id = 1", f"insert into leases values (2, {LONG})")


def succeed(engine: Engine) -> None:
    """The same, but the second row is there before the first goes."""
    engine.write(f"insert into leases values (2, {LONG})")
    engine.write("delete from leases where id = 1")


RULES = {
    "linear": (
        "select term, amount, x, terms, body from leases",
        ['("1 mon",1.50,-0,{24:00:00},"{""w"": 2.00}")'],
    ),
    "bilinear": (
        "select a.term, b.amount from leases as a join leases as b on a.term = b.term and a.id = b.id",
        ['("1 mon",1.50)'],
    ),
    "invertible": (
        "select term, timestamptz '2030-01-31 00:00+00' + term as ends, count(*) as n from leases group by term",
        ['("1 mon","2030-02-28 00:00:00+00",1)'],
    ),
    "invertible, with several loose keys": (
        "select x, term, amount, count(*) as n from leases group by x, term, amount",
        ['(-0,"1 mon",1.50,1)'],
    ),
    "invertible, by what only PostgreSQL knows the type of": (
        "select terms || terms as t, body -> 'w' as w, count(*) as n from leases group by terms || terms, body -> 'w'",
        ['("{24:00:00,24:00:00}",2.00,1)'],
    ),
    "distinct": ("select distinct amount, body from leases", ['(1.50,"{""w"": 2.00}")']),
    "union": ("select amount from leases union select amount from leases", ["(1.50)"]),
    "recompute, one row a key": (
        "select amount, x, max(term) as longest from leases group by amount, x",
        ['(1.50,-0,"1 mon")'],
    ),
    "recompute, everything in one row": (
        "select max(term) as longest, min(amount) as least from leases",
        ['("1 mon",1.50)'],
    ),
    "recompute, many rows a key": (
        "select term, amount, row_number() over (partition by x order by term) as n from leases",
        ['("1 mon",1.50,1)'],
    ),
    "recompute, a list": (
        "select x, array_agg(amount order by term) as amounts from leases group by x",
        ["(-0,{1.50})"],
    ),
    "top-N": ("select term, x from leases order by term, id limit 1", ['("1 mon",-0)']),
    "sums": (
        "select sum(term) as s, avg(term) as m, sum(amount) as a, sum(amount) filter (where amount > 1) as f from leases",
        ['("1 mon","1 mon",1.50,1.50)'],
    ),
    "mean": ("select avg(amount * 100) as m from leases", ["(150.0000000000000000)"]),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("change", [replace, succeed])
def test_a_value_that_is_gone_is_not_shown(rule: str, change: object, leases: Engine) -> None:
    query, expected = RULES[rule]
    leases.deploy(f"create materialized view v as {query}")
    names = leases.execute("select * from v").description or ()
    leases.deploy(f"create materialized view above as select {', '.join(each.name for each in names)} from v")
    change(leases)  # type: ignore[operator]
    assert texts(leases, "v") == expected
    assert texts(leases, "above") == expected
    leases.write("delete from leases", f"insert into leases values (3, {SHORT})")
    leases.write("delete from leases where id = 3", f"insert into leases values (4, {LONG})")
    assert texts(leases, "above") == expected


def test_rows_that_are_equal_and_not_the_same_go_one_by_one(leases: Engine) -> None:
    leases.deploy("create materialized view v as select term, amount from leases")
    leases.deploy(
        "create materialized view ranked as select term, amount, count(*) over (partition by amount) as n from leases"
    )
    leases.write(f"insert into leases values (2, {LONG}), (3, {LONG}), (4, {SHORT})")
    assert texts(leases, "v") == ['("1 mon",1.50)'] * 2 + ['("30 days",1.5)'] * 2
    leases.write("delete from leases where id in (1, 3)")
    assert texts(leases, "v") == ['("1 mon",1.50)', '("30 days",1.5)']
    assert texts(leases, "ranked") == ['("1 mon",1.50,2)', '("30 days",1.5,2)']
    leases.write("delete from leases where id = 4")
    assert texts(leases, "v") == ['("1 mon",1.50)']
    assert texts(leases, "ranked") == ['("1 mon",1.50,1)']


def test_a_group_is_still_one_and_joins_still_meet(leases: Engine) -> None:
    leases.deploy(
        "create materialized view g as select amount, x, count(*) as n from leases group by amount, x"
    )
    leases.deploy("create table prices (amount numeric primary key, label varchar)")
    leases.deploy(
        "create materialized view j as select l.id, p.label from leases as l join prices as p using (amount)"
    )
    leases.write(f"insert into leases values (2, {LONG})", "insert into prices values (1.500, 'p')")
    assert leases.value("select n from g") == 2
    assert leases.all("j") == [(1, "p"), (2, "p")]


def test_the_key_of_a_group_is_that_of_one_of_its_rows(engine: Engine) -> None:
    engine.deploy("create table t (id integer primary key, a numeric, b numeric)")
    for name, call in (("merged", "count(*)"), ("computed", "count(distinct id)")):
        engine.deploy(f"create materialized view {name} as select a, b, {call} as n from t group by a, b")
    engine.write("insert into t values (1, 1.0, 2.00), (2, 1.00, 2.0), (3, null, 1)")
    for name in ("merged", "computed"):
        assert texts(engine, name) == ["(,1,1)", "(1.0,2.00,2)"]
    engine.write("delete from t where id = 1")
    for name in ("merged", "computed"):
        assert texts(engine, name) == ["(,1,1)", "(1.00,2.0,1)"]


def test_what_a_group_shows_does_not_depend_on_how_it_came_about(engine: Engine) -> None:
    engine.deploy("create table t (id integer primary key, a interval)")
    query = "select a, count(*) as n from t group by a"
    engine.deploy(f"create materialized view kept as {query}")
    engine.write("insert into t values (1, '720 hours')")
    engine.write("insert into t values (2, '1 mon'), (3, '30 days')")
    engine.write("delete from t where id = 2", "insert into t values (4, '1 mon')")
    engine.deploy(f"create materialized view built as {query}")
    assert texts(engine, "kept") == texts(engine, "built") == ['("1 mon",3)']


def test_a_month_less_thirty_days_is_not_nothing(leases: Engine) -> None:
    leases.deploy("create materialized view v as select sum(term) as s from leases")
    leases.write("delete from leases where id = 1")
    assert texts(leases, "v") == ["()"]
    leases.write(f"insert into leases values (2, {LONG}), (3, 'infinity', 1, 1, null, null)")
    assert texts(leases, "v") == ["(infinity)"]
    leases.write("delete from leases where id = 3")
    leases.write(f"insert into leases values (4, {SHORT})")
    assert texts(leases, "v") == ['("1 mon 30 days")']


def test_a_sum_has_the_decimals_of_the_values_that_are_left(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (id integer primary key, a numeric)",
        "create materialized view v as select sum(a) as s, avg(a) as m from t",
    )
    engine.write("insert into t values (1, 1), (2, 1.000000), (3, 'NaN'), (4, 1.0)")
    engine.write("delete from t where id = 3")
    assert texts(engine, "v") == ["(3.000000,1.00000000000000000000)"]
    engine.write("delete from t where id = 2")
    assert texts(engine, "v") == ["(2.0,1.00000000000000000000)"]
    engine.write("delete from t where id = 4")
    assert texts(engine, "v") == ["(1,1.00000000000000000000)"]


def test_blanks_at_the_end_of_a_character_count(engine: Engine) -> None:
    engine.deploy_all(
        "create table t (id integer primary key, a bpchar)",
        "create materialized view v as select a, octet_length(a) as n from t",
        "create materialized view g as select a, octet_length(a) as n, count(*) as c from t group by a",
    )
    engine.write("insert into t values (1, 'a')")
    engine.write("delete from t where id = 1", "insert into t values (2, 'a  ')")
    assert engine.all("v") == [("a  ", 3)]
    assert engine.rows("select n, c from g") == [(3, 1)]


def test_rows_of_a_bag_as_they_were_are_told_apart(engine: Engine) -> None:
    """The left side of a process-time join depends on the right: so that is read as it was before the tick."""
    engine.deploy_all(
        "create table seen (id integer primary key, user_id integer, amount numeric)",
        "create materialized view priced as select user_id, amount from seen",
        "create materialized view acts as select user_id, count(*) as n from priced group by user_id",
        "create materialized view lists as select a.user_id, array_agg(p.amount::varchar order by p.amount::varchar)"
        " as amounts from acts as a left join priced for system_time as of proctime() as p on p.user_id = a.user_id"
        " group by a.user_id",
    )
    shown = "select amounts from lists"
    engine.write("insert into seen values (1, 1, 1.5)")
    engine.write("insert into seen values (2, 1, 1.50), (3, 1, 1.50)")
    assert engine.value(shown) == ["1.5"]
    engine.write("delete from seen where id = 3")
    assert engine.value(shown) == ["1.5", "1.50", "1.50"]
    engine.write("delete from seen where id = 1")
    assert engine.value(shown) == ["1.5", "1.50"]
