"""Generated source tables: their columns, primary key and conflict rule, and the DDL for the engine and for the mirrors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.equivalence.values import SCALAR_TYPES

CONFLICTS = (None, "do nothing", "do update full", "do update if not null")


@dataclass(frozen=True)
class Column:
    """A column of a table, a view or a subquery.

    `exact` is false where engines may legitimately differ in the last bits (avg, sums of doubles); such a column is
    carried and compared with a tolerance, and never grouped, joined, ordered or filtered by. `loaded` values come as they
    are from a source table, so the statement cannot fix them. `image` values are what they are: not some member of a group of
    equal ones, of which SQL may show any.
    """

    name: str
    type: str
    exact: bool = True
    loaded: bool = False
    image: bool = False

    @property
    def comparable(self) -> bool:
        return self.exact and not self.type.endswith("[]")


@dataclass(frozen=True)
class Table:
    """A source table. `conflict` is None (no clause), "do nothing", "do update full" or "do update if not null".

    Where it is not `loose`, equal values are the same.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    conflict: str | None = None
    finite: bool = True
    versions: tuple[str, ...] = ()
    loose: bool = True

    def position(self, column: str) -> int:
        return [each.name for each in self.columns].index(column)

    @property
    def ddl(self) -> str:
        """CREATE TABLE in RisingWave's dialect."""
        parts = [f"{column.name} {column.type}" for column in self.columns]
        if self.key:
            parts.append(f"primary key ({', '.join(self.key)})")
        clause = f" on conflict {self.conflict}" if self.conflict else ""
        clause += f" with version column ({', '.join(self.versions)})" if self.versions else ""
        return f"create table {self.name} ({', '.join(parts)}){clause}"

    @property
    def mirror_ddl(self) -> str:
        """A plain table without key: the model in Python has already settled conflicts."""
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"create table {self.name} ({columns})"


@st.composite
def tables(
    draw: st.DrawFn,
    *,
    minimum: int = 2,
    maximum: int = 3,
    finite: bool | None = None,
    timed: bool | None = None,
    types: Sequence[str] = SCALAR_TYPES,
    loose: bool = True,
) -> tuple[Table, ...]:
    """Two or three tables; each has a `k integer` (so that any two can be joined) and one to three columns more.

    Where they are not `finite`, each ends with doubles that may be NaN or infinite. A `timed` first table ends with
    an instant.
    """
    count = draw(st.integers(minimum, maximum))
    if finite is None:
        finite = timed or draw(st.sampled_from((True, True, False)))
    if timed is None:
        timed = finite and draw(st.booleans())
    return tuple(
        draw(_table(f"t{number}", finite, timed and number == 0, types, loose)) for number in range(count)
    )


@st.composite
def _table(
    draw: st.DrawFn, name: str, finite: bool, timed: bool, choices: Sequence[str], loose: bool
) -> Table:
    types = draw(st.lists(st.sampled_from(choices), min_size=1, max_size=3))
    if not finite:
        types[-1] = "double precision"
    elif timed:
        types[-1] = "timestamptz"
    columns = (
        Column("k", "integer", loaded=True, image=True),
        *(Column(f"v{n}", type_name, loaded=True, image=True) for n, type_name in enumerate(types)),
    )
    key = draw(st.sampled_from((("k",), (), ("k", "v0"))))
    if key == ("k", "v0") and columns[1].type in ("double precision", "boolean"):
        key = ("k",)
    conflict = draw(st.sampled_from(CONFLICTS)) if key else None
    rest = [each.name for each in columns if each.name not in key and each.type != "boolean"]
    compared = draw(st.integers(0, min(2, len(rest)))) if key and conflict != "do nothing" else 0
    return Table(name, columns, key, conflict, finite, tuple(rest[:compared]), loose)
