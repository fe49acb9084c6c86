"""An expression reaches PostgreSQL as it was written: read and written again, PostgreSQL parses it to the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlglot import exp
from sqlglot.errors import ParseError

from millstream.compiler.dialect import write
from tests.compiler.dialect.postgres import COLUMN_TYPES, Postgres, read, written
from tests.databases import Databases

EXPRESSIONS = Path(__file__).with_name("expressions.txt").read_text().splitlines()
NEGATED = {  # PostgreSQL has its own parse of these; NOT around the other one is the same for every value
    "s not similar to pat": "not s similar to pat",
    "i4 not in (1, null)": "not i4 in (1, null)",
    "i4 not between 1 and 10": "not i4 between 1 and 10",
    "i4 not between symmetric 10 and 1": "not i4 between symmetric 10 and 1",
    "b is not true": "not b is true",
    "b is not false": "not b is false",
    "b is unknown": "b is null",
    "b is not unknown": "b is not null",
    "i4 not in (1) = b": "(not i4 in (1)) = b",
    "i4 not between 1 and 3 <> b": "(not i4 between 1 and 3) <> b",
    "b is not true = b": "(not b is true) = b",
    "now()": "current_timestamp",
    "array[1, 2, 3][2]": "(array[1, 2, 3])[2]",  # RisingWave needs no brackets
}
POLYMORPHIC = {
    "anyelement": "integer",
    "anynonarray": "integer",
    "anyarray": "integer[]",
    "anycompatible": "integer",
    "anycompatiblenonarray": "integer",
    "anycompatiblearray": "integer[]",
    '"any"': "integer",
}
FUNCTIONS = """
select p.proname::text, array(
    select format_type(t, null) from unnest(p.proargtypes) with ordinality as u (t, n) order by n
)
from pg_proc as p
where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and not proretset
"""
OPERATORS = """
select o.oprname::text, case when oprleft <> 0 then format_type(oprleft, null) end, format_type(oprright, null)
from pg_operator as o where oprnamespace = 'pg_catalog'::regnamespace
"""
KNOWN = COLUMN_TYPES | {"integer[]", "text[]"}
WITHOUT = frozenset(
    ["*<", "*<=", "*<>", "*=", "*>", "*>=", "~<=~", "~<~", "~>=~", "~>~"]
)  # operators that RisingWave lacks too
UNREAD = frozenset(("overlaps",))  # a function that its operator is for
OPERANDS = [
    "i4",
    "i8",
    "n",
    "f8",
    "b",
    "s",
    "tx",
    "js",
    "ai",
    "at",
    "d",
    "ts",
    "tz",
    "iv",
    "1",
    "2.5",
    "'a'",
    "null",
    "true",
    "'{1}'",
    "-i4",
    "+i4",
    "(i4)",
    "ai[1]",
    "upper(s)",
    "i4::text",
    "s::int",
    "-1::int",
    "n::numeric(5,1)",
]
PHRASES = (
    "not b",
    "@ i4",
    "|/ f8",
    "~ i4",
    "js -> 'a'",
    "row(i4, s)",
    "interval '1 day'",
    "case when b then 1 else 2 end",
    "timestamp '2020-01-01 00:00:00'::date",
    "ai[1:2]",
)
INFIX = [
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "||",
    "&",
    "|",
    "#",
    "<<",
    ">>",
    "=",
    "<>",
    "<",
    "<=",
    ">=",
    "!=",
    "and",
    "or",
    "like",
    "ilike",
    "~",
    "!~",
    "~*",
    "->",
    "->>",
    "#>",
    "@>",
    "<@",
    "&&",
    "?",
    "~~",
    "!~~",
    "^@",
]
WORDS = ("not like", "similar to", "is distinct from", "is not distinct from", "at time zone")
ENDINGS = (
    "is null",
    "is not null",
    "is true",
    "in (1, 2)",
    "between 1 and 3",
    "not in (1)",
    "not between 1 and 3",
)


@pytest.fixture(scope="module")
def postgres(databases: Databases) -> Iterator[Postgres]:
    """A server with a table that has a column of every type."""
    with databases.fresh() as dsn:
        asked = Postgres(dsn)
        yield asked
        asked.connection.close()


def changed(postgres: Postgres, expressions: Iterator[str]) -> tuple[int, list[str]]:
    """How many expressions PostgreSQL accepts, and those of them that do not arrive as they were."""
    accepted, found = 0, []
    for expression in expressions:
        meant = postgres.meaning(expression)
        if meant is None:
            continue
        accepted += 1
        try:
            text = written(expression)
        except ParseError as error:
            found.append(f"{expression}: {error}")
            continue
        if postgres.meaning(text) != meant:
            found.append(f"{expression}: {text}")
    return accepted, found


def test_expressions_arrive_as_they_are(postgres: Postgres) -> None:
    accepted, found = changed(postgres, iter(EXPRESSIONS))
    assert found == []
    assert accepted == len(EXPRESSIONS) > 900


@pytest.mark.parametrize("expression", NEGATED)
def test_some_arrive_in_words_that_mean_the_same(postgres: Postgres, expression: str) -> None:
    assert postgres.meaning(written(expression)) == postgres.meaning(NEGATED[expression])


def test_every_function_arrives_as_it_is(postgres: Postgres) -> None:
    def calls() -> Iterator[str]:
        for name, types in postgres.rows(FUNCTIONS):
            arguments = [POLYMORPHIC.get(type_, type_) for type_ in types]
            if name not in UNREAD and set(arguments) <= KNOWN:
                yield f"{name}({', '.join(f'cast(null as {type_})' for type_ in arguments)})"

    accepted, found = changed(postgres, calls())
    assert [each for each in found if not each.startswith("now()")] == []
    assert accepted > 1000


def test_every_operator_arrives_as_it_is(postgres: Postgres) -> None:
    def uses() -> Iterator[str]:
        for name, left, right in postgres.rows(OPERATORS):
            sides = [POLYMORPHIC.get(side, side) for side in (left, right) if side]
            if name not in WITHOUT and set(sides) <= KNOWN:
                operands = [f"cast(null as {side})" for side in sides]
                yield f" {name} ".join(operands) if left else f"{name} {operands[0]}"

    accepted, found = changed(postgres, uses())
    assert found == []
    assert accepted > 300


@pytest.mark.parametrize("seed", range(3))
def test_operators_bind_as_in_postgresql(postgres: Postgres, seed: int) -> None:
    """Operands around operators at random, without brackets: with a bracket at every node they mean the same."""
    draw = random.Random(seed)
    accepted = 0
    for _ in range(6000):
        text = flat(draw)
        if postgres.meaning(text) is None:
            continue
        try:
            tree = read(text)
        except (
            ParseError
        ):  # PostgreSQL goes on after `a is null` with an operator that binds more; refused here
            continue
        accepted += 1
        assert postgres.meaning(write(tree)) == postgres.meaning(write(bracketed(tree))), text
    assert accepted > 60


def flat(draw: random.Random) -> str:
    """Two to four operands with operators between them."""
    parts = [operand(draw)]
    for _ in range(draw.choice((1, 2, 2, 3))):
        parts += [draw.choice(INFIX + list(WORDS)), operand(draw)]
    return " ".join(parts)


def operand(draw: random.Random) -> str:
    """An operand, sometimes with something behind it."""
    text = draw.choice(OPERANDS + list(PHRASES))
    return f"{text} {draw.choice(ENDINGS)}" if draw.random() < 0.2 else text


def bracketed(tree: exp.Expr) -> exp.Expr:
    """The same tree with brackets around every operator."""
    root = exp.Paren(this=tree.copy())
    operators = (exp.Binary, exp.Unary, exp.Between, exp.In, exp.Is, exp.AtTimeZone)
    for node in reversed(list(root.walk())):
        part_of_like = isinstance(node.parent, exp.Escape) and node.arg_key == "this"
        plain = isinstance(node, (exp.Paren, exp.Dot, exp.Slice)) or isinstance(node.parent, exp.Paren)
        if isinstance(node, operators) and not plain and not part_of_like:
            around = exp.Paren(this=None)
            node.replace(around)
            around.set("this", node)
    return root
