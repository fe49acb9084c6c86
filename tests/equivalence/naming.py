"""What the engine's side of a case is called: the same tables, views, columns and aliases under other names.

The oracles know `t0`, `view1`, `k` and `c0`. The engine may know them as tables of one name in several schemas, in
capitals with or without quotes, as reserved words, with 63 bytes, as what it calls its own. Names are renamed one to one
in the text of a statement, each time in letters that mean the same, so the answers stay what they are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st

Qualified = tuple[str, str]  # schema and name

LONG = "the_name_of_a_thing_that_has_as_many_bytes_as_a_name_may_have"
SCHEMAS = ("public", "north", "South", "pub lic")
RELATIONS = (
    "users",
    "Users",
    "order",
    "orders",
    "orders__queue",
    "orders@1",
    "t",
    "s",
    f"{LONG}_a",
    f"{LONG}_b",
    "ü" * 31,
    'a "b"',
    "50%",
    "$body$",
)
COLUMNS = (
    "userid",
    "UserId",
    "USERID",
    "order",
    "user",
    "select",
    "_kind",
    "_w",
    "_h",
    "_kh",
    "_k1",
    "_k2",
    "k1",
    "_b0",
    "_c1",
    "_s1",
    "_at",
    "_visible",
    "_new",
    "_r",
    "w",
    "h",
    "kh",
    "s",
    "t",
    "q",
    "m",
    "d",
    "r",
    "key_1",
    "value_2",
    "count_3",
    "x_4",
    "rank_5",
    "a b",
    'a"b',
    "100%",
    "$body$x",
    "Größe",
    f"{LONG}_a",
    f"{LONG}_b",
    "é" * 31,
    "ö" * 31,
)
OUTPUTS = ("c0", "c1", "c2", "c3", "c4", "l0", "l1", "merged", "element", "position")
WORD = re.compile(r"'(?:[^']|'')*'|(?<!\w)[A-Za-z_]\w*")
ALIAS = re.compile(r"(s|cte|u|y|z)\d+")  # what a writer of statements makes up
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
RESERVED = frozenset(("order", "user", "select", "position"))


def quote(name: str) -> str:
    """A name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Spelling:
    """The engine's names of a case, by the oracles'; without any, they are the same. `seed` chooses the letters."""

    relations: Mapping[str, Qualified] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def relation(self, name: str) -> Qualified:
        """Schema and name under which a table or view is deployed."""
        return self.relations.get(name, ("public", name))

    def qualified(self, name: str) -> str:
        """A table or view as SQL that nobody folds."""
        schema, relation = self.relation(name)
        return f"{quote(schema)}.{quote(relation)}"

    def column(self, name: str) -> str:
        """A column's name."""
        return self.columns.get(name, name)

    def text(self, sql: str) -> str:
        """A statement in the engine's names."""
        if not self.relations and not self.columns:
            return sql
        choose = random.Random(f"{self.seed} {sql}")
        return WORD.sub(lambda found: self._word(found, choose), sql)

    def _word(self, found: re.Match[str], choose: random.Random) -> str:
        word, called = found[0], found.string[found.end() : found.end() + 1] == "("
        if word in self.relations:
            schema, name = self.relations[word]
            written = _written(name, choose)
            alone = (
                sum(name == other for _, other in self.relations.values()) == 1
            )  # else it means the nearest
            return written if schema == "public" and alone else f"{_written(schema, choose)}.{written}"
        if word in self.columns and not called:
            return _written(self.columns[word], choose)
        if ALIAS.fullmatch(word):
            capital = random.Random(f"{self.seed} {word}").random() < 0.3
            return quote(word.upper()) if capital else _written(word, choose)
        return word


def _written(name: str, choose: random.Random) -> str:
    """A name as somebody may write it."""
    if not PLAIN.fullmatch(name) or name in RESERVED or choose.random() < 0.2:
        return quote(name)
    return "".join(letter.upper() if choose.random() < 0.2 else letter for letter in name)


@st.composite
def spellings(
    draw: st.DrawFn,
    tables: Iterable[str],
    views: Iterable[str],
    columns: Iterable[str],
    *,
    always: bool = False,
) -> Spelling:
    """Names for a case, half of the time other ones than the oracles'."""
    if not always and not draw(st.booleans()):
        return Spelling()
    sources, made = list(tables), list(views)
    known = list(dict.fromkeys([*columns, *OUTPUTS]))
    one = draw(st.sampled_from(RELATIONS)) if draw(st.booleans()) else None  # all tables, each in its schema
    schemas = draw(st.permutations(SCHEMAS))
    pairs = [(schema, one) for schema in schemas[: len(sources)] if one is not None]
    wanted = len(sources) + len(made) - len(pairs)
    free = [(schema, name) for schema in SCHEMAS for name in RELATIONS if (schema, name) not in pairs]
    pairs += draw(st.lists(st.sampled_from(free), min_size=wanted, max_size=wanted, unique=True))
    names = draw(st.permutations(COLUMNS))
    return Spelling(
        dict(zip([*sources, *made], pairs, strict=True)),
        dict(zip(known, names, strict=False)),
        draw(st.integers(0, 1000)),
    )
