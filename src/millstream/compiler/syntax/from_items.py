"""What an item of FROM is, as written: what it is called, and whether it calls TUMBLE or HOP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

DEFAULT_SCHEMA = "public"  # of a relation that is named without one


@dataclass(frozen=True, eq=False)
class Name:
    """What one item of FROM is called: by its alias, or as a relation by its own name in its schema.

    Two items may be called alike, or not at all ('': a subquery without alias); they still are two.
    """

    text: str = ""
    schema: str | None = None

    def means(self, column: exp.Column) -> bool:
        """Tell whether `text.column` or `schema.text.column` is a column of this item."""
        return bool(self.text) and self.text == column.table and column.db in ("", self.schema)

    def repeats(self, other: Name) -> bool:
        """Tell whether SQL forbids both names in one FROM; relations of two schemas may have one name."""
        apart = self.schema is not None and other.schema is not None and self.schema != other.schema
        return bool(self.text) and self.text == other.text and not apart


def display_name(schema: str, name: str) -> str:
    """A relation's name as people say it: with its schema where that is not the default one."""
    return name if schema == DEFAULT_SCHEMA else f"{schema}.{name}"


def item_name(item: exp.Expr, ctes: Iterable[str] = ()) -> Name:
    """What an item of FROM is called; a CTE has no schema."""
    if item.alias or not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier):
        return Name(item.alias)
    stored = item.db or item.name not in ctes
    return Name(item.name, (item.db or DEFAULT_SCHEMA) if stored else None)


def window_function(table: exp.Table) -> exp.Anonymous | None:
    """The call of TUMBLE or HOP that a table of FROM is, if it is one."""
    call = table.this
    return call if isinstance(call, exp.Anonymous) and call.name.lower() in ("tumble", "hop") else None
