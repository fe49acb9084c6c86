"""GROUPING SETS, ROLLUP and CUBE: one aggregation for each set of keys, their rows united."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.copies import fresh_copy
from millstream.compiler.algebra.expression import Attribute, Names, column, substitute
from millstream.compiler.algebra.operators import Aggregate, Project, UnionAll
from millstream.compiler.binder.scope import Context, introduced
from millstream.compiler.dialect import DIALECT
from millstream.compiler.syntax.unread import refuse_unread
from millstream.diagnostics import refuse

Set = tuple[int, ...]  # numbers of keys
MOST_SETS = 64  # as many aggregations are kept; PostgreSQL itself stops at 4,096


def grouping_sets(group: exp.Group | None, key: Callable[[exp.Expr], int], context: Context) -> list[Set]:
    """Expand GROUP BY to its grouping sets: the product of its terms, each of which is a list of sets."""
    if group is None:
        return [()]
    refuse_unread(group, context.path)
    lists = [expand(term, key) for term in group.expressions]
    made = 1
    for each in lists:
        made *= len(each)
    if made > MOST_SETS:
        raise refuse("MS057", group, str(made), context.path)
    return [tuple(dict.fromkeys(itertools.chain(*parts))) for parts in itertools.product(*lists)]


def expand(term: exp.Expr, key: Callable[[exp.Expr], int]) -> list[Set]:
    """The grouping sets of one term of GROUP BY."""
    if isinstance(term, exp.GroupingSets):
        return [each for part in term.expressions for each in expand(part, key)]
    if isinstance(term, exp.Rollup):
        parts = [composite(part, key) for part in term.expressions]
        return [joined(parts[:count]) for count in range(len(parts), -1, -1)]
    if isinstance(term, exp.Cube):
        parts = [composite(part, key) for part in term.expressions]
        return [
            joined(chosen) for n in range(len(parts), -1, -1) for chosen in itertools.combinations(parts, n)
        ]
    return [composite(term, key)]


def composite(term: exp.Expr, key: Callable[[exp.Expr], int]) -> Set:
    """The keys of an expression or of a list of them in parentheses."""
    return tuple(key(part) for part in (term.expressions if isinstance(term, exp.Tuple) else [term]))


def joined(parts: Sequence[Set]) -> Set:
    """One set of all the keys in several."""
    return tuple(itertools.chain(*parts))


def union_of_sets(
    aggregate: Aggregate, sets: Sequence[Set], levels: dict[tuple[int, ...], Attribute], names: Names
) -> tuple[UnionAll, Callable[[exp.Expr], exp.Expr]]:
    """Unite one aggregation per grouping set; a key that a set leaves out is NULL in its rows.

    Returns the union and a function that rewrites an expression over `aggregate` and `levels` to its columns.
    """
    above = [
        *(replace(names.renamed(key), nullable=True) for key in aggregate.keys),
        *(names.renamed(a) for a, _ in aggregate.items),
        *levels.values(),
    ]
    branches = tuple(branch(aggregate, each, tuple(levels), names) for each in sets)
    by = {
        old.name: introduced(new)
        for old, new in zip((*aggregate.keys, *(a for a, _ in aggregate.items)), above, strict=False)
    }
    return UnionAll(branches, tuple(above)), lambda expression: substitute(expression, by)


def branch(aggregate: Aggregate, chosen: Set, levels: tuple[tuple[int, ...], ...], names: Names) -> Project:
    """The aggregation of one grouping set, with the columns of the union."""
    copied, _ = fresh_copy(aggregate, names)
    assert isinstance(copied, Aggregate)
    absent = {number: key for number, key in enumerate(copied.keys) if number not in chosen}
    untyped = {number: Attribute(names.fresh("absent")) for number, key in absent.items() if key.type is None}
    nulls = tuple((untyped[number], nothing_of(absent[number])) for number in untyped)
    grouped = replace(
        copied, keys=tuple(copied.keys[number] for number in sorted(chosen)), items=(*copied.items, *nulls)
    )

    def value(number: int, key: Attribute) -> exp.Expr:
        if number not in absent:
            return column(key)
        if number in untyped:
            return column(untyped[number])
        return exp.Cast(this=exp.Null(), to=exp.DataType.build(key.type or "", dialect=DIALECT, udt=True))

    outputs = [value(number, key) for number, key in enumerate(copied.keys)]
    outputs += [column(a) for a, _ in copied.items]
    for asked in levels:
        mask = sum(1 << place for place, number in enumerate(reversed(asked)) if number in absent)
        outputs.append(exp.Literal.number(mask))
    return Project(grouped, tuple((Attribute(names.fresh("branch")), output) for output in outputs))


def nothing_of(key: Attribute) -> exp.Expr:
    """A NULL of the type of a key that only PostgreSQL knows."""
    never = exp.Where(this=exp.false())
    return exp.Filter(this=exp.AnyValue(this=column(key)), expression=never)
